import pytest

from spaces import (
    REFUSED,
    RunCommand,
    RunPaths,
    UserError,
    ask_driver,
    note_event,
    run_lock,
    take_commands,
)
from tests.spaces.builders import refusal

STOP = RunCommand(kind="stop")


def answering(paths, event, answer="so be it"):
    """Return a driver's work while the one who asks sleeps: it takes commands and answers."""

    def work(_seconds):
        for command in take_commands(paths):
            note_event(paths, event, {"answer": answer, "command": command.id})

    return work


def test_command_reaches_the_driver_once_and_whole_and_its_answer_comes_back(tmp_path):
    paths, asked = RunPaths(tmp_path), RunCommand(kind="cancel", trial=3)
    taken = []

    def work(seconds):
        taken.extend(take_commands(paths))
        note_event(paths, "cancelled", {"answer": "so be it", "command": asked.id})

    with run_lock(paths.lock):
        assert ask_driver(paths, asked, sleep=work) == "so be it"
    assert taken == [asked]
    assert take_commands(paths) == []


def test_command_that_the_driver_refuses_is_an_error_with_its_words(tmp_path):
    paths = RunPaths(tmp_path)
    with run_lock(paths.lock):
        line = refusal(UserError, ask_driver, paths, STOP, sleep=answering(paths, REFUSED, "no"))
    assert line == f"{tmp_path}: no"


def test_command_to_a_run_without_a_driver_is_refused_and_names_resume(tmp_path):
    line = refusal(UserError, ask_driver, RunPaths(tmp_path), STOP)
    assert line.endswith(
        f"no live driver works on this run; go on with `cytosweep resume {tmp_path}`"
    )
    assert not RunPaths(tmp_path).commands.exists()


def test_command_whose_driver_ends_before_it_takes_it_is_withdrawn(tmp_path):
    paths, lock = RunPaths(tmp_path), run_lock(RunPaths(tmp_path).lock)
    lock.__enter__()
    line = refusal(
        UserError, ask_driver, paths, STOP, sleep=lambda _: lock.__exit__(None, None, None)
    )
    assert "cytosweep resume" in line
    assert take_commands(paths) == []


def test_command_that_nobody_takes_in_time_is_withdrawn(tmp_path):
    paths = RunPaths(tmp_path)
    with run_lock(paths.lock), pytest.raises(TimeoutError, match="within 1 s; `stop` was withdr"):
        ask_driver(paths, STOP, patience_s=1, sleep=lambda _: None)
    assert take_commands(paths) == []


def test_commands_are_taken_in_the_order_of_asking_and_what_is_none_is_thrown_away(tmp_path):
    paths = RunPaths(tmp_path)
    paths.commands.mkdir()
    paths.command("bad").write_text('{"kind": "explode"}')
    for number in (2, 1):
        command = RunCommand(kind="cancel", trial=number)
        paths.command(command.id).write_text(command.model_dump_json())
    assert [command.trial for command in take_commands(paths)] == [2, 1]
    assert list(paths.commands.iterdir()) == []
