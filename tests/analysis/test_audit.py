import json
from importlib import import_module

import numpy as np
import pytest
from PIL import Image

from analysis import audit as audit_source
from analysis import save_audit
from spaces import AuditSpec, DataSpec, UserError
from tests.analysis.builders import smooth_pictures
from tests.trainables.builders import bright_pictures
from trainables import load_trial_data
from trainables.manifest import read_manifest


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Return an npz of 12 pictures: row 5 is row 1 again, row 7 is row 2 under another label."""
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    images = smooth_pictures(12)
    images[5], images[7] = images[1], images[2]
    labels = np.array([0, 1] * 6)
    np.savez(tmp_path / "cells.npz", images=images, labels=labels)
    return str(tmp_path / "cells.npz")


def write_source(folder, monkeypatch, images, labels, **arrays):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(folder / "cache"))
    np.savez(folder / "cells.npz", images=images, labels=labels, **arrays)
    return str(folder / "cells.npz")


def verdicts(frame):
    return {
        int(row.row): (row.verdict, row.reason)
        for row in frame[frame["reason"].notna()].itertuples()
    }


def test_audit_drops_a_second_picture_and_both_of_a_contradiction(source):
    found = audit_source(source, AuditSpec(fast=True))
    assert verdicts(found.frame) == {
        2: ("drop", "conflicting_duplicate"),
        5: ("drop", "duplicate"),
        7: ("drop", "conflicting_duplicate"),
    }


def test_audit_keeps_as_suspects_what_it_is_not_to_drop(source):
    found = audit_source(source, AuditSpec(drop=("duplicate",), fast=True))
    assert verdicts(found.frame)[2] == ("keep", "conflicting_duplicate")
    assert verdicts(found.frame)[5] == ("drop", "duplicate")


def test_spared_contradiction_is_not_settled_either(source):
    found = audit_source(source, AuditSpec(drop=("duplicate",), fast=True))
    assert set(found.frame.loc[[2, 7], "verdict"]) == {"keep"}


def test_saved_scores_of_twins_are_read_again(tmp_path, monkeypatch):
    images = smooth_pictures(12)
    source = write_source(
        tmp_path, monkeypatch, np.concatenate([images, images + 1]), np.tile([0, 1], 12)
    )
    save_audit(audit_source(source, AuditSpec(fast=True)), tmp_path / "audit")
    manifest = read_manifest(tmp_path / "audit/manifest.parquet").frame
    assert (manifest["reason"] == "near_duplicate").sum() == 12
    assert manifest["score"].max() <= 1


def test_junk_that_is_repeated_is_dropped_as_junk_and_keeps_its_group(tmp_path, monkeypatch):
    images = np.concatenate([smooth_pictures(6), np.full((4, 48, 48, 3), 200, np.uint8)])
    found = audit_source(
        write_source(tmp_path, monkeypatch, images, np.arange(10) % 2), AuditSpec(fast=True)
    )
    assert verdicts(found.frame) == {row: ("drop", "junk") for row in (6, 7, 8, 9)}
    assert list(found.frame["group"]) == [-1] * 6 + [0] * 4


def test_undecodable_rows_are_always_dropped_and_shown(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    for number, picture in enumerate(smooth_pictures(6)):
        folder = tmp_path / "cells" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(folder / f"{number}.png")
    (tmp_path / "cells/a/0.png").write_bytes(b"")
    found = audit_source(str(tmp_path / "cells"), AuditSpec(drop=(), fast=True))
    assert verdicts(found.frame) == {0: ("drop", "undecodable")}
    save_audit(found, tmp_path / "audit")
    assert "0 a: no bytes" in (tmp_path / "audit/audit.html").read_text()


def test_classes_too_small_to_judge_are_left_alone_and_said_so(source):
    found = audit_source(source)
    assert found.notes == ["labels: not judged, as fewer than 8 pictures are left of 0, 1"]


def test_saved_audit_is_what_a_sweep_applies(source, tmp_path):
    found = audit_source(source, AuditSpec(fast=True))
    save_audit(found, tmp_path / "audit")
    assert read_manifest(tmp_path / "audit/manifest.parquet").fingerprint == found.store.fingerprint
    data = load_trial_data(
        DataSpec(
            source=source,
            image_size=16,
            keep=str(tmp_path / "audit/manifest.parquet"),
            split={"validation": 0.3},
        )
    )
    used = np.concatenate([data.split.train, data.split.validation])
    assert not set(used) & {2, 5, 7}
    summary = json.loads((tmp_path / "audit/summary.json").read_text())
    assert summary["verdicts"] == {"keep": 9, "drop": 3}
    assert summary["reasons"]["duplicate"] == {"1": 1}
    with pytest.raises(UserError, match="holds an audit already"):
        save_audit(found, tmp_path / "audit")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"drop": ("blurry",)}, "'blurry' is no reason"),
        ({"threshold": 2}, "threshold: is 2, but"),
        ({"seed": -1}, "seed: is -1, but"),
    ],
)
def test_unknown_reasons_impossible_thresholds_and_seeds_are_refused(options, message):
    with pytest.raises(UserError, match=message):
        AuditSpec(**options)


@pytest.fixture
def judged(monkeypatch):
    """Have the first picture of each audit found to be of class 2; return what labels were seen."""
    seen = []

    def confident(store, indices, groups, **options):
        seen.extend(store.labels[indices])
        wrong = 0.1 + 0.7 * np.eye(3)[store.labels[indices]]
        wrong[0] = [0.02, 0.02, 0.96]
        return wrong.astype(np.float32)

    monkeypatch.setattr(import_module("analysis.audit"), "out_of_sample_probabilities", confident)
    return seen


def labels_found(frame):
    found = frame[frame["reason"] == "label"]
    columns = ["row", "label", "suggested_label", "verdict"]
    return [tuple(row) for row in found[columns].itertuples(index=False)]


@pytest.mark.parametrize(
    ("options", "verdict"),
    [
        ({"threshold": 0.9}, "relabel"),
        ({"threshold": 0.95}, "keep"),
        ({"threshold": 0.8, "drop": ("label",)}, "drop"),
    ],
)
def test_label_that_is_wrong_is_replaced_suspected_or_dropped(
    tmp_path, monkeypatch, judged, options, verdict
):
    images, labels = bright_pictures(60)
    source = write_source(tmp_path, monkeypatch, images, labels)
    found = audit_source(source, AuditSpec(**{"drop": ()} | options))
    assert labels_found(found.frame) == [(0, labels[0], 2, verdict)]


def test_labels_of_pictures_for_tests_are_neither_learned_from_nor_judged(
    tmp_path, monkeypatch, judged
):
    images, labels = bright_pictures(60)
    parts = {"train": slice(0, 40), "test": slice(40, 60)}
    arrays = {f"{part}_images": images[rows] for part, rows in parts.items()}
    arrays |= {f"{part}_labels": labels[rows] for part, rows in parts.items()}
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    np.savez(tmp_path / "cells.npz", **arrays)
    audit_source(str(tmp_path / "cells.npz"), AuditSpec(drop=()))
    assert judged == labels[:40].tolist()


def test_pictures_for_tests_are_no_junk_however_different_they_look(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    images = smooth_pictures(80)
    other = 255 - images[60:] // 4
    arrays = {"train_images": images[:60], "test_images": other}
    arrays |= {"train_labels": np.arange(60) % 2, "test_labels": np.arange(20) % 2}
    np.savez(tmp_path / "cells.npz", **arrays)
    together, whole = np.concatenate([images[:60], other]), tmp_path / "whole"
    whole.mkdir()
    alike = audit_source(
        write_source(whole, monkeypatch, together, np.arange(80) % 2),
        AuditSpec(fast=True),
    )
    assert (alike.frame["reason"][60:] == "junk").all()
    found = audit_source(str(tmp_path / "cells.npz"), AuditSpec(fast=True))
    assert not (found.frame["reason"] == "junk").any()


def test_class_that_is_too_small_does_not_keep_the_others_from_being_judged(
    tmp_path, monkeypatch, judged
):
    images, labels = bright_pictures(120)
    few = np.flatnonzero(labels == 1)[5:]
    images, labels = np.delete(images, few, axis=0), np.delete(labels, few)
    source = write_source(tmp_path, monkeypatch, images, labels)
    found = audit_source(source, AuditSpec(drop=(), threshold=0.8))
    assert set(judged) == {0, 2}
    assert found.notes == ["labels: some not judged, as fewer than 8 pictures are left of 1"]
    assert labels_found(found.frame) == [(0, 0, 2, "relabel")]


def noise(count, size=96):
    return np.random.default_rng(0).integers(0, 256, (count, size, size, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("images", "labels", "verdicts", "note"),
    [
        (smooth_pictures(20), [0] * 20, {"keep": 20}, "labels: not judged, as there is one class"),
        (smooth_pictures(10), [0, 1] * 5, {"keep": 10}, "fewer than 8 pictures are left of 0, 1"),
        (noise(10, 1), [0, 1] * 5, {"drop": 10}, "nothing is kept"),
        (noise(40), [0, 1] * 20, {"drop": 40}, "nothing is kept"),
        (smooth_pictures(1).repeat(20, 0), [0] * 20, {"drop": 19, "keep": 1}, "left of 0"),
        (smooth_pictures(1).repeat(20, 0), [0, 1] * 10, {"drop": 20}, "nothing is kept"),
    ],
    ids=["one class", "ten images", "one pixel", "all junk", "all alike", "all alike and at odds"],
)
def test_poor_data_get_a_small_answer(tmp_path, monkeypatch, images, labels, verdicts, note):
    found = audit_source(write_source(tmp_path, monkeypatch, images, np.array(labels)))
    assert found.frame["verdict"].value_counts().to_dict() == verdicts
    assert any(note in told for told in found.notes)
    save_audit(found, tmp_path / "audit")


def test_manifest_that_keeps_nothing_is_refused_by_a_sweep(tmp_path, monkeypatch):
    source = write_source(tmp_path, monkeypatch, noise(40), np.arange(40) % 2)
    save_audit(audit_source(source, AuditSpec(fast=True)), tmp_path / "audit")
    keep = str(tmp_path / "audit/manifest.parquet")
    with pytest.raises(UserError, match=r"no image to train on that data\.keep keeps; edit"):
        load_trial_data(DataSpec(source=source, image_size=16, keep=keep))


def test_duplicates_in_two_parts_of_a_source_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("CYTOSWEEP_CACHE", str(tmp_path / "cache"))
    pictures = smooth_pictures(9)
    parts = {"train": pictures[:4], "val": pictures[4:7], "test": pictures[[7, 8, 0]]}
    arrays = {f"{part}_images": images for part, images in parts.items()}
    labels = {f"{part}_labels": np.arange(len(images)) % 2 for part, images in parts.items()}
    np.savez(tmp_path / "cells.npz", **arrays, **labels)
    found = audit_source(str(tmp_path / "cells.npz"), AuditSpec(fast=True))
    assert found.leaking_groups == 1
    assert "leaks: 1 groups of duplicates lie in more than one part" in found.notes[0]
    assert list(found.frame["group"]) == [0] + [-1] * 8 + [0]
