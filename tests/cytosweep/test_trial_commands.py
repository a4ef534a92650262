import io
import re

import pandas as pd
import pytest

from analysis import TrialTable
from tests.analysis.builders import complete, cut, failed, names_in, new_run, pruned, write_run
from tests.cytosweep.builders import cytosweep, refused

SCRIPTS = (complete(0.5, 0.75), pruned(0.25), failed(), cut(0.375), complete(0.625))
READERS = {"csv": pd.read_csv, "json": pd.read_json, "parquet": pd.read_parquet}


def write(folder, *scripts):
    return write_run(folder / "run", *scripts or SCRIPTS).root


def test_trials_are_printed_as_a_table_of_what_a_terminal_has_room_for(capsys, tmp_path):
    code, out, err = cytosweep(capsys, "trials", write(tmp_path))
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == [
        "trial", "state", "objective", "best_epoch", "epochs", "params.backbone", "params.dropout",
        "val_accuracy", "shift_accuracy",
    ]  # fmt: skip
    assert out.splitlines()[3].split()[:5] == ["2", "FAILED", "-", "-", "0"]


def test_trials_as_json_are_the_rows_of_the_trial_table(capsys, tmp_path):
    run = write(tmp_path)
    rows = cytosweep(capsys, "trials", run, "--format", "json").json()
    frame = TrialTable(run).frame
    assert [list(row) for row in rows] == [list(frame)] * 5
    assert [row["objective"] for row in rows] == [0.75, 0.25, None, 0.375, 0.625]
    assert (rows[2]["error"], rows[0]["error"]) == ("ValueError: no luck", None)


def test_trials_as_csv_are_the_rows_of_the_trial_table_with_every_character(capsys, tmp_path):
    run = write(tmp_path, *SCRIPTS, failed(error="a :cat: and a\ttab"))
    out = cytosweep(capsys, "trials", run, "--format", "csv").out
    assert out == TrialTable(run).frame.to_csv(index=False)
    assert pd.read_csv(io.StringIO(out))["error"][5] == "a :cat: and a\ttab"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--sort", "trial"], [0, 1, 2, 3, 4]),
        (["--sort", "-trial"], [4, 3, 2, 1, 0]),
        (["--sort", "objective"], [1, 3, 4, 0, 2]),
        (["--sort", "-objective"], [0, 4, 3, 1, 2]),
        (["--sort", "-objective", "--top", 2, "--where", "state != 'COMPLETE'"], [3, 1]),
        (["--where", "objective > 0.3"], [0, 3, 4]),
        (["--where", "state == 'COMPLETE' and epochs >= 2"], [0]),
        (["--where", "state in ['PRUNED', 'FAILED']"], [1, 2]),
        (["--where", "objective.isna()"], [2]),
        (["--where", "params.dropout < 0"], []),
        (["--where", "params.dropout >= 0 and params.backbone != 'vit'"], [0, 1, 2, 3, 4]),
        (["--where", "`params.dropout` >= 0 and trial < 2"], [0, 1]),
    ],
    ids=str,
)
def test_trials_are_filtered_then_sorted_with_the_unknown_last_and_then_cut(
    capsys, tmp_path, options, expected
):
    rows = cytosweep(capsys, "trials", write(tmp_path), "--format", "json", *options).json()
    assert [row["trial"] for row in rows] == expected


@pytest.mark.parametrize(
    "condition", ["", "objective >", "objectiv > 0.5", "trial = 1", "state", "trial"]
)
def test_where_that_is_no_condition_is_refused(capsys, tmp_path, condition):
    line = cytosweep(capsys, "trials", write(tmp_path), "--where", condition).refusal()
    assert line.startswith(f"--where {condition}: is no condition (")
    assert line.endswith("; try objective > 0.8 and params.dropout < 0.3")


def test_columns_are_those_asked_for_in_their_order_and_once(capsys, tmp_path):
    options = ("--columns", "params.dropout, trial,trial", "--format", "json")
    rows = cytosweep(capsys, "trials", write(tmp_path), *options).json()
    assert {tuple(row) for row in rows} == {("params.dropout", "trial")}


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ("--sort objektive", "--sort objektive: .*did you mean 'objective' or 'retries'[?]"),
        ("--sort -", "--sort .*checkpoint, error"),
        ("--columns trial,dropout", "--columns dropout: .*did you mean 'params.dropout'[?]"),
        ("--columns trial,,state", "--columns .*checkpoint, error"),
        ("--format parquet", "--format parquet: needs a file; add -o trials.parquet"),
        ("-o gone/a.csv", "-o gone/a.csv: its folder does not exist; make it first"),
        ("-o /", "-o /: .*"),
    ],
)
def test_option_that_cannot_be_followed_is_refused_with_a_remedy(capsys, tmp_path, options, line):
    run = write(tmp_path)
    assert re.fullmatch(line, refused(capsys, tmp_path, "trials", run, *options.split()))


@pytest.mark.parametrize("named", [True, False], ids=["by option", "by suffix"])
@pytest.mark.parametrize("kind", READERS)
def test_trials_are_written_to_a_file(capsys, tmp_path, kind, named):
    run, path = write(tmp_path), tmp_path / f"trials.{kind}"
    options = ("--format", kind) if named else ()
    columns = ("--columns", "trial,state,objective")
    answer = cytosweep(capsys, "trials", run, *options, *columns, "-o", path)
    assert answer == (0, "", f"{path} written, 5 trials\n")
    expected = TrialTable(run).frame[["trial", "state", "objective"]]
    found = READERS[kind](path).astype(expected.dtypes)
    pd.testing.assert_frame_equal(found, expected)
    assert names_in(tmp_path) == ["run", path.name]


def test_trials_before_the_first_one_are_an_empty_table(capsys, tmp_path):
    paths, _study = new_run(tmp_path / "run")
    assert cytosweep(capsys, "trials", paths.root).code == 0
    assert cytosweep(capsys, "trials", paths.root, "--format", "json").json() == []


# show


def test_show_prints_the_record_and_the_curve_of_a_trial(capsys, tmp_path):
    code, out, err = cytosweep(capsys, "show", write(tmp_path), 0)
    fields = dict(line.split(maxsplit=1) for line in out.partition("\n\n")[0].splitlines())
    assert (code, err) == (0, "")
    assert (fields["state"], fields["objective"]) == ("COMPLETE", "0.750")
    curve = out.partition("\n\n")[2].splitlines()
    assert curve[0].split()[:2] == ["epoch", "seconds"]
    assert len(curve) == 3


def test_show_prints_the_end_of_the_log_of_a_failed_trial(capsys, tmp_path):
    paths = write_run(tmp_path / "run", failed(error="ValueError: [red]"))
    paths.trial(0).root.mkdir()
    paths.trial(0).log.write_text("".join(f"line [{k}]\n" for k in range(20)))
    out = cytosweep(capsys, "show", paths.root, 0).out
    assert "ValueError: [red]" in out
    assert out.endswith("".join(f"line [{k}]\n" for k in range(12, 20)))


def test_show_as_json_is_the_row_with_its_curve_or_a_refusal(capsys, tmp_path):
    run = write(tmp_path)
    found = cytosweep(capsys, "show", run, 0, "--json").json()
    curve = found.pop("curve")
    assert found == cytosweep(capsys, "trials", run, "--format", "json").json()[0]
    assert found["started"].endswith("+00:00")
    assert [epoch["robust_accuracy"] for epoch in curve] == [0.5, 0.75]
    assert cytosweep(capsys, "show", run, 9).refusal() == f"{run}: has no trial 9; it has 0..4"
