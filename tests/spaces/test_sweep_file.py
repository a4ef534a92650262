import re

import pytest

from spaces import SweepError, load_sweep, preset_names, preset_text, save_sweep
from spaces.sweep_file import absolute_source, plain_sweep
from spaces.yaml_text import parse_yaml
from tests.spaces.builders import DATA, lines_of, load, sweep_spec, write_sweep

SPACE = DATA + "space: {dropout: {low: 0.0, high: 0.6}}\n"


def test_value_above_a_fields_bound_gives_the_line_of_the_design(tmp_path):
    (line,) = lines_of(tmp_path, DATA + "space: {dropout: {low: 0.0, high: 1.4}}")
    assert re.fullmatch(
        r"sweep\.yaml: space\.dropout\.high is 1\.4, but must be below 1(\.0)?; try 0\.6", line
    )


def test_all_problems_come_at_once_also_those_between_parts(tmp_path):
    text = """
        data: {source: synthetic:blood-cells, image_size: 32}
        objectiv: val_loss
        space: {dropot: {low: 0, high: 1}, epochs: {low: 0, high: 3}}
        trial: {epochs: 3, batch_size: 1, image_size: 48, validation_views: clean,
                frozen_epochs: 20, pretrained: true, weights: w.pt, backbone: resnet18}
    """
    expected = {
        "space.epochs is in both trial and space, but must be in one; remove it from the other",
        "space.dropot is not a field of trial; did you mean 'dropout' or 'drop_path'?",
        "trial.frozen_epochs is 20, but must be below trial.epochs, which is 3; try 2",
        "trial.pretrained is true, but must be false where trial.weights is given; try false",
        "space.epochs.low is 0, but must be at least 1; try 20",
        "trial.batch_size is 1, but must be at least 2; try 64",
        "trial.image_size is 48, but must be at most data.image_size, which is 32; try 32",
        "objectiv is not a known key; did you mean 'objective'?",
        "objective is 'robust_accuracy', but needs trial.validation_views: shifts; "
        "set that or try val_balanced_accuracy",
    }
    lines = lines_of(tmp_path, text)
    assert set(lines) == {f"sweep.yaml: {sentence}" for sentence in expected}
    assert len(lines) == len(expected)


@pytest.mark.parametrize("key", ["1", "true", "null"])
def test_key_that_is_no_text_is_refused_without_a_traceback(key, tmp_path):
    assert lines_of(tmp_path, f"{DATA}trial: {{{key}: 2}}")
    assert lines_of(tmp_path, f"{DATA}space: {{{key}: {{low: 1, high: 2}}}}")


def test_source_of_a_wrong_type_is_not_also_called_missing(tmp_path):
    (line,) = lines_of(tmp_path, "data: {source: 5}")
    assert line.startswith("sweep.yaml: data.source is 5, but must be text")


@pytest.mark.parametrize("end", ["abc", ".inf", "[1]"])
def test_end_of_a_range_that_is_no_number_is_told_once(end, tmp_path):
    (line,) = lines_of(tmp_path, f"{DATA}space: {{dropout: {{low: 0, high: {end}}}}}")
    assert line.startswith("sweep.yaml: space.dropout.high is ")


@pytest.mark.parametrize("part", ["trial", "search", "space", "resources"])
def test_part_without_anything_in_it_is_told_in_words_of_yaml(part, tmp_path):
    lines = lines_of(tmp_path, f"{DATA}{part}:\n")
    assert not lines or "(" not in lines[0]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("", "sweep.yaml: is empty, but must map keys to values; see `cytosweep init`"),
        ("[1]", "sweep.yaml: is a list, but must map keys to values; see `cytosweep init`"),
        ("name: x", "sweep.yaml: data is missing, but is required; add it"),
    ],
)
def test_file_without_a_sweep_in_it_is_refused(text, line, tmp_path):
    assert lines_of(tmp_path, text) == [line]


@pytest.mark.parametrize("text", ["a: {b", "a: 1\na: 2"], ids=["open", "twice"])
def test_file_that_is_not_yaml_is_refused_in_one_line(text, tmp_path):
    (line,) = lines_of(tmp_path, text)
    assert line.startswith("sweep.yaml: is not YAML: ")


def test_file_that_is_not_there_is_refused_with_the_command_that_writes_one(tmp_path):
    with pytest.raises(SweepError, match=r"none\.yaml: no such sweep file; write one with `cyto"):
        load_sweep(tmp_path / "none.yaml")


def test_folder_and_bytes_are_refused_as_no_text(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "bytes.yaml"):
        with pytest.raises(SweepError, match=r"cannot be read as text .*; give a YAML file"):
            load_sweep(path)


def test_scientific_number_is_a_number_and_a_clock_is_no_duration(tmp_path):
    assert load(tmp_path, DATA + "trial: {learning_rate: 1e-4}").trial.learning_rate == 1e-4
    (line,) = lines_of(tmp_path, DATA + "search: {time_budget: 1:30}")
    assert "time_budget is '1:30', but must be a duration" in line


def test_unknown_backbone_is_refused_in_trial_and_space(tmp_path):
    (line,) = lines_of(tmp_path, DATA + "trial: {backbone: resnet8}", backbones={"resnet18"})
    assert line.endswith("must be custom_cnn or a timm model; did you mean 'resnet18'?")
    text = DATA + "space: {backbone: {choice: [resnet18, resnet8]}}"
    (line,) = lines_of(tmp_path, text, backbones={"resnet18"})
    assert line.startswith("sweep.yaml: space.backbone.choice is 'resnet8', but must be ")


def test_override_replaces_one_value_and_makes_new_parts(tmp_path):
    sweep = load(tmp_path, SPACE, "search.trials=8", "space.dropout.high=0.5", "data.split.seed=3")
    assert (sweep.search.trials, sweep.search.seed, sweep.data.split.seed) == (8, 0, 3)
    assert (sweep.space["dropout"].low, sweep.space["dropout"].high) == (0.0, 0.5)


def test_override_with_null_takes_a_parameter_out_of_the_space(tmp_path):
    sweep = load(tmp_path, SPACE, "space.dropout=null", "trial.dropout=1e-4")
    assert list(sweep.space) == []
    assert sweep.trial.dropout == 1e-4


def test_override_puts_a_new_parameter_into_the_space(tmp_path):
    sweep = load(tmp_path, SPACE, "space.width={choice: [16, 32]}")
    assert list(sweep.space) == ["dropout", "width"]


def test_override_with_a_value_that_is_not_yaml_is_refused(tmp_path):
    (line,) = lines_of(tmp_path, DATA, "trial.epochs=[1")
    assert line.startswith("--set trial.epochs=[1: the value is not YAML: ")


def test_problem_from_an_override_names_set_and_the_others_the_file(tmp_path):
    assert lines_of(tmp_path, DATA + "trial: {epochs: 0}", "trial.batch_size=1") == [
        "sweep.yaml: trial.epochs is 0, but must be at least 1; try 20",
        "--set: trial.batch_size is 1, but must be at least 2; try 64",
    ]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("trials", "--set trials: must have the form key.key=value"),
        ("=3", "--set =3: must have the form key.key=value"),
        ("a..b=3", "--set a..b=3: must have the form key.key=value"),
        ("name.x=3", "--set name.x=3: name is a single value, it has no keys"),
    ],
)
def test_override_in_a_bad_form_is_refused_by_itself(override, line, tmp_path):
    assert lines_of(tmp_path, DATA + "name: cells", override) == [line]


def test_override_below_an_empty_part_fills_it(tmp_path):
    assert load(tmp_path, DATA + "trial:\n", "trial.epochs=3").trial.epochs == 3


def test_path_in_the_file_is_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    write_sweep(tmp_path / "sub", "data: {source: cells.parquet}")
    sweep = load_sweep((tmp_path / "sub" / "sweep.yaml").relative_to(tmp_path))
    assert sweep.data.source == str(tmp_path.resolve() / "sub" / "cells.parquet")


@pytest.mark.parametrize("override", ["data.source=cells.npz", "data={source: cells.npz}"])
def test_path_in_an_override_is_relative_to_the_working_directory(override, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    sweep = load(tmp_path / "sub", DATA, override)
    assert sweep.data.source == str(tmp_path.resolve() / "cells.npz")


@pytest.mark.parametrize("source", ["synthetic:blood-cells", "medmnist:bloodmnist", "/a/b.npz"])
def test_scheme_and_absolute_path_stay_as_they_are(source, tmp_path):
    assert absolute_source(source, tmp_path) == source


def test_home_of_nobody_is_no_traceback(tmp_path):
    assert absolute_source("~nobody-of-that-name/cells", tmp_path).endswith("/cells")


@pytest.mark.parametrize("name", preset_names())
def test_saved_preset_is_loaded_back_equal_and_stays_so(name, tmp_path):
    sweep = load(tmp_path, preset_text(name))
    save_sweep(sweep, tmp_path / "saved.yaml")
    again = load_sweep(tmp_path / "saved.yaml")
    assert again == sweep
    assert list(again.space) == list(sweep.space)
    assert plain_sweep(again) == plain_sweep(sweep)


def test_saved_sweep_with_every_kind_of_parameter_is_loaded_back_equal(tmp_path):
    text = """
        name: "1e5"
        data: {source: cells.parquet, split: {group: "no"}}
        search: {trials: null, time_budget: 1h30m}
        space:
          image_size: {choice: [null, 32]}
          weight_decay: {low: 1e-6, high: 1, log: true}
          label_smoothing: {low: 0, high: 0.2, step: 0.05, when: {flips: true}}
          flips: {choice: [true, false]}
    """
    sweep = load(tmp_path, text)
    save_sweep(sweep, tmp_path / "saved.yaml")
    assert load_sweep(tmp_path / "saved.yaml") == sweep


def test_saved_sweep_has_every_default_but_of_what_is_searched(tmp_path):
    save_sweep(load(tmp_path, SPACE), tmp_path / "saved.yaml")
    saved = parse_yaml((tmp_path / "saved.yaml").read_text())
    assert list(saved) == ["name", "data", "space", "trial", "search", "objective", "resources"]
    assert saved["space"] == {"dropout": {"low": 0.0, "high": 0.6}}
    assert saved["trial"]["epochs"] == 20
    assert "dropout" not in saved["trial"]


def test_saving_that_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    path = write_sweep(tmp_path, "old")
    monkeypatch.setattr("spaces.sweep_file.dump_yaml", lambda plain: "\ud800")
    with pytest.raises(UnicodeEncodeError):
        save_sweep(sweep_spec(), path)
    assert path.read_text() == "old"
