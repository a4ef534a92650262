import io

import pytest
from rich.console import Console

from search.live_table import LiveTable, clock_text, headline, pace_line, trials_table
from tests.search.builders import sweep_spec
from tests.spaces.builders import trial_record

RECORDS = [
    trial_record(0),
    trial_record(1, "PRUNED", objective=0.5, val_accuracy=0.5),
    trial_record(2, "FAILED", objective=None, val_accuracy=None, error="ValueError: [no]"),
    trial_record(3, "RUNNING", objective=0.625, val_accuracy=0.625, epochs=1),
]


def console(is_terminal):
    return Console(file=io.StringIO(), force_terminal=is_terminal, width=120, height=40)


def shown(terminal, *rounds, **parts):
    """Return what a live table writes when it is shown every one of `rounds`."""
    screen = console(terminal)
    with LiveTable(screen) as live:
        for records in rounds:
            live.show(records, sweep_spec(**parts), 65.0)
    return screen.file.getvalue()


def cells(table):
    return [list(column.cells) for column in table.columns]


def test_headline_counts_states_and_names_the_best():
    assert headline(RECORDS, sweep_spec(name="mine")) == (
        "mine  3/4 trials | 1 running | 1 complete | 1 pruned | 1 failed"
        " | best val_accuracy 0.750 (trial 0)"
    )


@pytest.mark.parametrize(("objective", "best"), [("val_accuracy", 1), ("val_loss", 0)])
def test_headline_names_the_best_trial_that_did_not_fail(objective, best):
    values = {"COMPLETE": (0.5, 0.75), "FAILED": (0.1, 0.9)}
    objectives = [(state, value) for state, pair in values.items() for value in pair]
    records = [trial_record(n, s, objective=v) for n, (s, v) in enumerate(objectives)]
    assert f"(trial {best})" in headline(records, sweep_spec(objective=objective))


@pytest.mark.parametrize(
    ("budget", "line"),
    [(None, "1:30 | 120 trials/h | 0:30 to go"), (100, "1:30 of 1:40 | 120 trials/h | 0:10 to go")],
)
def test_pace_tells_time_trials_an_hour_and_what_is_to_go(budget, line):
    assert pace_line(RECORDS, sweep_spec(search={"time_budget": budget}), 90.0) == line


def test_pace_of_a_sweep_in_which_nothing_runs_tells_of_nothing_to_go():
    assert pace_line(RECORDS[:3], sweep_spec(), 90.0) == "1:30 | 120 trials/h"


def test_table_shows_running_trials_before_the_leaders():
    table = trials_table(RECORDS, sweep_spec())
    columns = [column.header for column in table.columns]
    assert columns == ["trial", "state", "epoch", "val_accuracy", "dropout"]
    assert cells(table)[:2] == [["3", "0", "1"], ["RUNNING", "COMPLETE", "PRUNED"]]
    assert cells(table)[-1] == ["0.25"] * 3


def test_lines_are_printed_once_where_there_is_no_terminal():
    lines = shown(False, RECORDS[3:], RECORDS[:2], RECORDS).splitlines()
    assert [line.split()[1] for line in lines] == ["0", "1", "2"]
    assert lines[2].endswith("ValueError: [no]")


def test_table_is_drawn_on_a_terminal_and_left_standing():
    text = shown(True, RECORDS[3:], RECORDS)
    assert "3/4 trials" in text
    assert "1:05 | 166 trials/h" in text and " CPUs" in text
    assert text.index("0/4 trials") < text.index("3/4 trials")
    assert "COMPLETE" in text
    assert "trial 0 COMPLETE" not in text  # the line for those without a terminal


def test_table_is_due_at_first_and_not_right_after_it_was_shown():
    live = LiveTable(console(False))
    assert live.is_due()
    live.show([], sweep_spec(), 0.0)
    assert not live.is_due()


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (65.9, "1:05"), (3600, "1:00:00"), (3665, "1:01:05")]
)
def test_clock_counts_as_clocks_do(seconds, text):
    assert clock_text(seconds) == text
