import json
from dataclasses import asdict

import pytest

from analysis import RunError, TrialTable, select
from analysis.selection import chosen_trial
from spaces import run_lock
from tests.analysis.builders import by_family, complete, content_of, cut, failed, pruned, write_run
from tests.spaces.builders import refusal

TWO_FAMILIES = by_family(mobilenetv3=complete(0.5, 0.625), custom_cnn=complete(0.75))


def write_two_families(root):
    return write_run(root, *[TWO_FAMILIES] * 8)


@pytest.mark.parametrize(
    ("options", "family", "number"),
    [({}, "mobilenetv3", None), ({"family": "any"}, "custom_cnn", 8)],
    ids=["no family named", "any family"],
)
def test_select_takes_the_best_mobilenet_unless_any_family_will_do(
    tmp_path, options, family, number
):
    paths = write_two_families(tmp_path / "run")
    selection, table = select(paths.root, **options), TrialTable(paths.root)
    assert selection.chosen == table.leaders(family)[0].trial
    assert selection.params["backbone"].startswith(family)
    assert len(selection.compared) == (number or len(table.leaders(family)))


def test_select_takes_a_pruned_trial_but_no_failed_or_running_one_and_notes_a_live_run(tmp_path):
    paths = write_run(tmp_path / "run", complete(0.25), pruned(0.5), failed(0.875), cut(0.75))
    with run_lock(paths.lock):
        selection = select(paths.root, family="any")
    assert selection.chosen == 1
    assert selection.note.startswith("the run was still going on; trial 1 was stopped after 1 of")


def test_selection_file_is_the_selection_and_nothing_else_is_written(tmp_path):
    paths = write_two_families(tmp_path / "run")
    before = content_of(paths.root)
    selection = select(paths.root)
    after = content_of(paths.root)
    assert json.loads(after.pop("selection.json")) == json.loads(json.dumps(asdict(selection)))
    assert after == before


def test_selection_says_what_was_compared_by_which_rule(tmp_path):
    paths = write_run(tmp_path / "run", complete(0.5, 0.25), pruned(0.75))
    select(paths.root, family="any")
    found = json.loads(paths.selection.read_text())
    assert list(found) == [
        "run", "rule", "family", "objective", "chosen", "params", "compared", "note",
    ]  # fmt: skip
    assert (found["rule"], found["family"]) == ("best robust_accuracy", "any")
    assert found["note"] == (
        "trial 1 was stopped after 1 of 20 epochs, so little is known of it; retrain trains them"
        " all"
    )
    best, second = found["compared"]
    assert (best["trial"], best["state"], best["objective"]) == (1, "PRUNED", 0.75)
    assert (second["trial"], second["best_epoch"], second["val_balanced_accuracy"]) == (0, 1, 0.5)
    assert found["params"] == best["params"]


def test_selection_compares_ten_trials_at_most(tmp_path):
    scripts = [complete(number / 16) for number in range(12)]
    selection = select(write_run(tmp_path / "run", *scripts).root, family="any")
    assert [evidence["trial"] for evidence in selection.compared] == [*range(11, 1, -1)]


def test_select_without_a_trial_that_ended_is_refused(tmp_path):
    paths = write_run(tmp_path / "run", failed(0.5), cut(0.75))
    line = "no trial has ended with a result; wait, or see `cytosweep trials`"
    assert refusal(RunError, select, paths.root, family="any") == f"{paths.root}: {line}"
    assert not paths.selection.exists()


def test_select_of_a_family_that_no_trial_is_of_names_those_that_there_are(tmp_path):
    paths = write_two_families(tmp_path / "run")
    line = "no trial of family resnet has ended; there are custom_cnn, mobilenetv3"
    assert refusal(RunError, select, paths.root, family="resnet") == f"{paths.root}: {line}"


def test_chosen_trial_is_the_selected_one_else_the_best_of_any_family(tmp_path):
    paths = write_two_families(tmp_path / "run")
    table = TrialTable(paths.root)
    assert chosen_trial(table) == table.leaders()[0].trial
    selection = select(paths.root)
    assert chosen_trial(table) == selection.chosen != table.leaders()[0].trial


@pytest.mark.parametrize("text", ["{", "{}", '{"chosen": null}'])
def test_selection_file_that_is_damaged_is_refused_by_name(tmp_path, text):
    paths = write_run(tmp_path / "run", complete(0.5))
    paths.selection.write_text(text)
    assert "selection.json" in refusal(RunError, chosen_trial, TrialTable(paths.root))
