import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from sklearn import metrics

from analysis import evaluate, evaluation
from tests.analysis.builders import (
    ReadsPixel,
    best_of,
    bright_cells,
    copy_run,
    listening,
    model_card,
    own_cells,
    pictures_saying,
)
from tests.spaces.builders import refusal
from tests.trainables.builders import NAMES, encoded, write_folder, write_npz, write_parquet
from trainables import DataError, load_model, load_trial_data, open_source
from trainables.shifts import shift_names

KEYS = [
    "n", "accuracy", "accuracy_ci95", "balanced_accuracy", "macro_f1", "per_class", "confusion",
    "seconds",
]  # fmt: skip
TRUTH = np.array([0] * 20 + [1] * 12 + [2] * 8)
ANSWERS = np.array([0] * 15 + [1] * 5 + [1] * 9 + [0] * 3 + [2] * 4 + [0] * 4)


def fake_model(monkeypatch, card=None):
    """Have `evaluate` load a model that answers what the first pixel says."""
    card = card or model_card()
    model = ReadsPixel(len(card.classes))
    monkeypatch.setattr(evaluation, "load_model", lambda folder: (model, card))


def evaluate_answers(folder, monkeypatch, truth=TRUTH, answers=ANSWERS, names=NAMES, **options):
    """Evaluate a model that gives known answers on pictures of known classes."""
    fake_model(monkeypatch)
    named = {"class_names": np.array(names)} if names else {}
    arrays = {"images": pictures_saying(answers), "labels": np.array(truth)}
    return evaluate(folder, str(write_npz(folder / "cells.npz", **arrays, **named)), **options)


def files_of(classes):
    """Return the files of class folders, with pictures in which is read what a folder maps to."""
    return {
        f"{name}/{k}.png": encoded(picture)
        for name, said in classes.items()
        for k, picture in enumerate(pictures_saying(said))
    }


def test_scores_are_those_of_scikit_learn_and_rows_of_the_confusion_the_truth(
    tmp_path, monkeypatch
):
    found = evaluate_answers(tmp_path, monkeypatch)
    balanced = metrics.balanced_accuracy_score(TRUTH, ANSWERS)
    assert (found.n, found.accuracy) == (40, metrics.accuracy_score(TRUTH, ANSWERS))
    assert found.balanced_accuracy == pytest.approx(balanced)
    assert found.macro_f1 == pytest.approx(metrics.f1_score(TRUTH, ANSWERS, average="macro"))
    assert found.confusion == metrics.confusion_matrix(TRUTH, ANSWERS).tolist()
    assert found.confusion == [[15, 5, 0], [3, 9, 0], [4, 0, 4]]
    assert found.accuracy_ci95[0] < found.accuracy < found.accuracy_ci95[1]


@pytest.mark.parametrize(
    ("card", "asked", "views"),
    [("none", False, "none"), ("none", True, "turns"), ("flips", False, "flips")],
)
def test_views_are_those_of_the_model_folder_and_turns_where_asked(
    trained, tmp_path, card, asked, views
):
    model = shutil.copytree(best_of(trained), tmp_path / "best")
    path = model / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"tta": card}))
    assert evaluate(model, own_cells(trained), tta=asked).tta == views


@pytest.mark.parametrize("family", ["selection", "heldout"])
def test_shifts_are_measured_at_five_severities_each(trained, family):
    told, cells = [], own_cells(trained)
    found = evaluate(best_of(trained), cells, shift=family, progress=lambda *at: told.append(at))
    shift = found.as_json()["shift"]
    assert tuple(shift) == shift_names(family)
    assert {len(values) for values in shift.values()} == {5}
    assert found.shift_accuracy == pytest.approx(np.mean(list(shift.values())))
    total = 5 * len(shift)
    assert told == [(done, total) for done in range(1, total + 1)]


def test_shift_scores_are_balanced_accuracies(tmp_path, monkeypatch):
    monkeypatch.setattr(evaluation, "shifted_pixels", lambda pixels, *_args, seed: pixels * 0)
    found = evaluate_answers(tmp_path, monkeypatch, answers=TRUTH, shift="heldout")
    assert found.accuracy == 1
    assert set(np.ravel(list(found.shift.values()))) == {1 / 3}  # black pictures are all class 0


@pytest.mark.parametrize(("truth", "names"), [(2 - TRUTH, NAMES[::-1]), (TRUTH, None)])
def test_classes_are_matched_by_name_and_where_they_have_none_by_number(
    tmp_path, monkeypatch, truth, names
):
    found = evaluate_answers(tmp_path, monkeypatch, truth, names=names)
    assert found.confusion == metrics.confusion_matrix(TRUTH, ANSWERS).tolist()


@pytest.mark.parametrize("classes", [("0", "1", "2", "10"), ("zero", "one", "two")])
def test_folders_named_by_numbers_are_matched_by_these_numbers(tmp_path, monkeypatch, classes):
    fake_model(monkeypatch, model_card(classes=classes))
    cells = write_folder(tmp_path / "cells", files_of({"1": [1, 1, 1], "2": [2, 2]}))
    assert evaluate(tmp_path, str(cells)).accuracy == 1


def test_label_that_is_missing_or_none_of_the_models_is_refused(tmp_path, monkeypatch):
    fake_model(monkeypatch)
    cells = str(write_folder(tmp_path / "cells", files_of({"monocyte": [2], "rust": [0]})))
    line = "class rust is none of the model's: basophil, eosinophil, monocyte"
    assert refusal(DataError, evaluate, tmp_path, cells) == f"{cells}: {line}"
    cells = str(write_parquet(tmp_path / "cells.parquet", ["monocyte", None, "basophil"]))
    line = "row 1 has no label; evaluating needs one, see `predict`"
    assert refusal(DataError, evaluate, tmp_path, cells) == f"{cells}: {line}"


def test_picture_that_cannot_be_read_is_left_out(tmp_path, monkeypatch):
    fake_model(monkeypatch)
    images = [{"bytes": encoded(p), "path": None} for p in pictures_saying([0, 1, 2])]
    images[1]["bytes"] = b"broken"
    cells = write_parquet(tmp_path / "cells.parquet", list(NAMES), images)
    found = evaluate(tmp_path, str(cells))
    assert (found.n, found.accuracy) == (2, 1)


def test_without_a_part_the_test_part_is_measured(tmp_path, monkeypatch):
    fake_model(monkeypatch)
    arrays = {
        "train_images": pictures_saying([0] * 9), "train_labels": np.array([1] * 9),
        "test_images": pictures_saying([0, 1, 2]), "test_labels": np.arange(3),
    }  # fmt: skip
    cells = str(write_npz(tmp_path / "cells.npz", **arrays))
    found = {data: evaluate(tmp_path, data) for data in (cells, f"{cells}#test", f"{cells}#train")}
    assert [each.n for each in found.values()] == [3, 3, 9]
    assert [each.accuracy for each in found.values()] == [1, 1, 0]
    assert [each.data for each in found.values()] == list(found)


@pytest.mark.parametrize("part", ["shifted", "validation", "train"])
def test_part_of_a_foreign_source_without_parts_is_refused(tmp_path, monkeypatch, part):
    fake_model(monkeypatch)
    cells = bright_cells(tmp_path / "cells.npz", 6)
    line = f"{cells}: has no part {part}; it has no parts"
    assert refusal(DataError, evaluate, tmp_path, f"{cells}#{part}") == line


@pytest.mark.parametrize(
    ("part", "count", "seen"),
    [("", 12, False), ("#test", 12, False), ("#validation", 12, True), ("#train", 36, True)],
)
def test_own_data_is_divided_as_the_models_split_says(trained, part, count, seen):
    found = evaluate(best_of(trained), own_cells(trained) + part)
    assert (found.n, found.seen_in_training) == (count, seen)


def test_own_test_images_are_those_that_the_split_held_out(trained, monkeypatch):
    calls = listening(monkeypatch, evaluation, "clean_view")
    evaluate(best_of(trained), own_cells(trained))
    split = load_trial_data(load_model(best_of(trained))[1].data).split
    np.testing.assert_array_equal(calls[0][1], split.test)


def test_own_data_of_a_model_without_a_test_split_was_seen_in_training(tmp_path, monkeypatch):
    cells = str(bright_cells(tmp_path / "cells.npz", 30))
    fake_model(monkeypatch, model_card(cells, data_fingerprint=open_source(cells).fingerprint()))
    found = evaluate(tmp_path, cells)
    assert (found.n, found.seen_in_training) == (30, True)


def test_every_look_but_a_refused_one_is_a_line_in_the_model_folder(trained, tmp_path):
    run = copy_run(trained, tmp_path / "run")
    results = [evaluate(best_of(run), own_cells(trained) + part) for part in ("", "#train")]
    refusal(DataError, evaluate, best_of(run), own_cells(trained) + "#shifted")
    lines = (best_of(run) / "evaluations.jsonl").read_text().splitlines()
    logged = [json.loads(line) for line in lines[-2:]]
    assert [set(line) for line in logged] == [{"time", "data", "fingerprint", "n", "accuracy"}] * 2
    for line, found in zip(logged, results, strict=True):
        assert (line["data"], line["n"], line["accuracy"]) == (found.data, found.n, found.accuracy)


def test_looks_taken_at_once_are_all_logged(tmp_path, monkeypatch):
    evaluate_answers(tmp_path, monkeypatch)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: evaluate(tmp_path, str(tmp_path / "cells.npz")), range(8)))
    assert len((tmp_path / "evaluations.jsonl").read_text().splitlines()) == 9


def test_look_that_cannot_be_logged_is_returned_with_a_note(tmp_path, monkeypatch):
    (tmp_path / "evaluations.jsonl").mkdir()
    found, log = evaluate_answers(tmp_path, monkeypatch), tmp_path / "evaluations.jsonl"
    assert (found.n, found.note) == (40, f"{log}: Is a directory, so this evaluation is not logged")
