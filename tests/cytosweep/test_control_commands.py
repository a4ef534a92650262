import pytest

from spaces import UserError
from tests.analysis.builders import complete, write_run
from tests.cytosweep.builders import STATUS_KEYS, cytosweep, refused
from tests.spaces.builders import raising

ASKING = {"stop": [], "cancel": [3], "extend": ["--trials", 9]}


def driven(monkeypatch, answer="so be it"):
    """Have a driver live and return the list of what it is asked."""
    asked = []
    monkeypatch.setattr("spaces.is_locked", lambda path: True)
    monkeypatch.setattr("spaces.ask_driver", lambda paths, command: asked.append(command) or answer)
    return asked


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["stop"], {"kind": "stop"}),
        (["cancel", 3], {"kind": "cancel", "trial": 3}),
        (["extend", "--trials", 9], {"kind": "extend", "overrides": ("search.trials=9",)}),
        (
            ["extend", "--max-concurrent", 1, "--set", "search.target=0.9"],
            {"kind": "extend", "overrides": ("search.target=0.9", "resources.max_concurrent=1")},
        ),
    ],
)
def test_command_is_handed_to_the_live_driver_whose_answer_is_printed(
    capsys, tmp_path, monkeypatch, arguments, parts
):
    asked = driven(monkeypatch)
    run = write_run(tmp_path / "run").root
    answer = cytosweep(capsys, arguments[0], run, *arguments[1:])
    assert answer == (0, "", f"{run}: so be it\n")
    found = asked[0].model_dump(exclude_defaults=True, exclude={"id"})
    assert found == parts


@pytest.mark.parametrize("command", ["stop", "cancel"])
def test_command_to_a_run_without_a_driver_is_refused_and_names_resume(capsys, tmp_path, command):
    run = write_run(tmp_path / "run").root
    line = refused(capsys, tmp_path, command, run, *ASKING[command])
    assert line.endswith(f"no live driver works on this run; go on with `cytosweep resume {run}`")


@pytest.mark.parametrize("command", ASKING)
def test_command_to_what_is_no_run_is_refused(capsys, tmp_path, command):
    line = refused(capsys, tmp_path, command, tmp_path, *ASKING[command])
    assert line.startswith(f"{tmp_path}: is no run folder")


def test_extend_of_a_run_without_a_driver_resumes_it(capsys, tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("search.resume", lambda *args, **options: calls.append((args, options)))
    run = write_run(tmp_path / "run", complete(0.5)).root
    answer = cytosweep(capsys, "extend", run, "--trials", 9, "--address", "auto", "--json")
    ((given, options),) = calls
    assert (given, options["address"]) == ((run, ["search.trials=9"]), "auto")
    assert list(answer.json()) == STATUS_KEYS


def test_extend_by_nothing_is_refused(capsys, tmp_path):
    line = refused(capsys, tmp_path, "extend", tmp_path)
    assert line == "extend: by what is not said; add --trials, --max-concurrent or --set"


def test_refusal_and_silence_of_the_driver_are_told_in_a_line(capsys, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run").root
    monkeypatch.setattr("spaces.ask_driver", raising(UserError(f"{run}: no")))
    assert refused(capsys, tmp_path, "stop", run) == f"{run}: no"
    monkeypatch.setattr("spaces.ask_driver", raising(TimeoutError(110, "no answer", str(run))))
    assert cytosweep(capsys, "stop", run) == (1, "", f"{run}: no answer\n")
