import pytest

from spaces import SweepError, load_sweep, preset_names, preset_text, save_sweep
from spaces.sweep_file import absolute_source, plain_sweep
from spaces.yaml_text import parse_yaml
from tests.spaces.builders import DATA, lines_of, load, sweep_spec, write_sweep

SPACE = DATA + "space: {dropout: {low: 0.0, high: 0.6}}\n"
DROPOUT = DATA + "space: {dropout: {low: 0.0, high: %s}}"
NO_BACKBONE = "is 'resnet8', but must be custom_cnn or a timm model; did you mean 'resnet18'?"
EVERY_KIND = """
    name: "1e5"
    data: {source: cells.parquet, split: {group: "no"}}
    search:
      {trials: null, time_budget: 1h30m, start_with: [{flips: true, image_size: null}, {}]}
    space:
      image_size: {choice: [null, 32]}
      weight_decay: {low: 1e-6, high: 1, log: true}
      label_smoothing: {low: 0, high: 0.2, step: 0.05, when: {flips: true}}
      flips: {choice: [true, false]}
"""
"""Every kind of parameter, and words that YAML would take for something else."""


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", "is empty, but must map keys to values; see `cytosweep init`"),
        ("[1]", "is a list, but must map keys to values; see `cytosweep init`"),
        ("a: {b", "is not YAML: "),
        ("a: 1\na: 2", "is not YAML: "),
        ("name: x", "data is missing, but is required; add it"),
        ("data: {source: 5}", "data.source is 5, but must be text"),
        (DROPOUT % 1.4, "space.dropout.high is 1.4, but must be below 1; try 0.6"),
        (DROPOUT % "abc", "space.dropout.high is "),
        (DROPOUT % ".inf", "space.dropout.high is "),
        (DROPOUT % "[1]", "space.dropout.high is "),
        (DATA + "search: {time_budget: 1:30}", "search.time_budget is '1:30', but must be a dur"),
        (
            DATA + "search: {time_budget: 0s}",
            "search.time_budget is '0s', but must be above 0; try",
        ),
        (DATA + "trial: {backbone: resnet8}", f"trial.backbone {NO_BACKBONE}"),
        (DATA + "space: {backbone: {choice: [resnet8]}}", f"space.backbone.choice {NO_BACKBONE}"),
    ],
)
def test_file_with_one_problem_is_refused_in_one_line_that_names_it(text, start, tmp_path):
    (line,) = lines_of(tmp_path, text, backbones={"resnet18"})
    assert line.startswith(f"sweep.yaml: {start}")


def test_all_problems_come_at_once_also_those_between_parts(tmp_path):
    text = """
        data: {source: synthetic:blood-cells, image_size: 32}
        objectiv: val_loss
        space: {dropot: {low: 0, high: 1}, epochs: {low: 0, high: 3}}
        trial: {epochs: 3, batch_size: 1, image_size: 48, validation_views: clean,
                frozen_epochs: 20, pretrained: true, weights: w.pt, backbone: resnet18}
    """
    expected = [
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
    ]
    assert sorted(lines_of(tmp_path, text)) == sorted(f"sweep.yaml: {line}" for line in expected)


@pytest.mark.parametrize(("key", "name"), [("1", "1"), ("true", "1"), ("null", "None")])
@pytest.mark.parametrize(
    ("text", "where"),
    [("%s: 2", ""), ("trial: {%s: 2}", "trial."), ("space: {%s: {low: 1, high: 2}}", "space."),
     ("space: {epochs: {low: 1, high: 2, when: {%s: 1}}}", "space.epochs.when.")],
)  # fmt: skip
def test_key_that_is_no_text_is_refused_with_a_remedy(key, name, text, where, tmp_path):
    line = f"sweep.yaml: {where}{name} is a key that is no text, but must be a name; put it in "
    assert lines_of(tmp_path, f"{DATA}{text % key}") == [line + "quotes, or take it out"]


@pytest.mark.parametrize("part", ["trial", "search", "space", "resources"])
def test_part_without_anything_in_it_is_told_in_words_of_yaml(part, tmp_path):
    lines = lines_of(tmp_path, f"{DATA}{part}:\n")
    assert not lines or "(" not in lines[0]


def test_what_is_no_file_of_text_is_refused_with_a_remedy(tmp_path):
    with pytest.raises(SweepError, match=r"none\.yaml: no such sweep file; write one with `cyto"):
        load_sweep(tmp_path / "none.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "bytes.yaml"):
        with pytest.raises(SweepError, match=r"cannot be read as text .*; give a YAML file"):
            load_sweep(path)


def test_override_replaces_one_value_and_makes_new_parts(tmp_path):
    overrides = ("search.trials=8", "space.dropout.high=0.5", "data.split.seed=3", "trial.epochs=3")
    sweep = load(tmp_path, SPACE + "trial:\n", *overrides)
    assert (sweep.search.trials, sweep.search.seed, sweep.data.split.seed) == (8, 0, 3)
    assert (sweep.space["dropout"].low, sweep.space["dropout"].high) == (0.0, 0.5)
    assert sweep.trial.epochs == 3


def test_override_takes_a_parameter_out_of_the_space_or_puts_one_in(tmp_path):
    overrides = ("space.dropout=null", "trial.dropout=1e-4", "space.width={choice: [16, 32]}")
    sweep = load(tmp_path, SPACE, *overrides)
    assert (list(sweep.space), sweep.trial.dropout) == (["width"], 1e-4)


def test_problem_from_an_override_names_set_and_the_others_the_file(tmp_path):
    assert lines_of(tmp_path, DATA + "trial: {epochs: 0}", "trial.batch_size=1") == [
        "sweep.yaml: trial.epochs is 0, but must be at least 1; try 20",
        "--set: trial.batch_size is 1, but must be at least 2; try 64",
    ]


@pytest.mark.parametrize(
    ("override", "reason"),
    [
        ("trials", "must have the form key.key=value"),
        ("=3", "must have the form key.key=value"),
        ("a..b=3", "must have the form key.key=value"),
        ("name.x=3", "name is a single value, it has no keys"),
        ("trial.epochs=[1", "the value is not YAML: "),
    ],
)
def test_override_in_a_bad_form_is_refused_by_itself(override, reason, tmp_path):
    (line,) = lines_of(tmp_path, DATA + "name: cells", override)
    assert line.startswith(f"--set {override}: {reason}")


def test_path_in_the_file_is_relative_to_the_file(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    write_sweep(tmp_path / "sub", "data: {source: cells.parquet, keep: audit/manifest.parquet}")
    sweep = load_sweep((tmp_path / "sub" / "sweep.yaml").relative_to(tmp_path))
    assert sweep.data.source == str(tmp_path.resolve() / "sub" / "cells.parquet")
    assert sweep.data.keep == str(tmp_path.resolve() / "sub" / "audit" / "manifest.parquet")


def test_runs_to_learn_from_are_relative_to_where_they_are_named(tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    text = DATA + "search: {learn_from: [runs/first, /a/b]}"
    first = str(tmp_path.resolve() / "sub" / "runs" / "first")
    assert load(tmp_path / "sub", text).search.learn_from == (first, "/a/b")
    sweep = load(tmp_path / "sub", DATA, "search.learn_from=[first]")
    assert sweep.search.learn_from == (str(tmp_path.resolve() / "first"),)


@pytest.mark.parametrize("override", ["data.source=cells.npz", "data={source: cells.npz}"])
def test_path_in_an_override_is_relative_to_the_working_directory(override, tmp_path, monkeypatch):
    (tmp_path / "sub").mkdir()
    monkeypatch.chdir(tmp_path)
    sweep = load(tmp_path / "sub", DATA, override)
    assert sweep.data.source == str(tmp_path.resolve() / "cells.npz")


@pytest.mark.parametrize("source", ["synthetic:blood-cells", "medmnist:bloodmnist", "/a/b.npz"])
def test_scheme_and_absolute_path_stay_and_the_home_of_nobody_is_no_traceback(source, tmp_path):
    assert absolute_source(source, tmp_path) == source
    assert absolute_source("~nobody-of-that-name/cells", tmp_path).endswith("/cells")


@pytest.mark.parametrize("name", [*preset_names(), "every kind of parameter"])
def test_saved_sweep_is_loaded_back_equal_and_stays_so(name, tmp_path):
    sweep = load(tmp_path, preset_text(name) if name in preset_names() else EVERY_KIND)
    save_sweep(sweep, tmp_path / "saved.yaml")
    again = load_sweep(tmp_path / "saved.yaml")
    assert again == sweep
    assert list(again.space) == list(sweep.space)
    assert plain_sweep(again) == plain_sweep(sweep)


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
