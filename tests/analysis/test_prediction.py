import numpy as np
import pandas as pd
import pytest
import torch

from analysis import predict, prediction, save_predictions
from spaces import UserError
from tests.analysis.builders import best_of, bright_cells
from tests.spaces.builders import refusal
from tests.trainables.builders import (
    NAMES,
    encoded,
    pictures,
    write_folder,
    write_npz,
    write_parquet,
)
from trainables import load_model

COLUMNS = ["row", "path", "prediction", "prob_0", "prob_1", "prob_2", "error"]


def predicted(trained, *inputs):
    return predict(best_of(trained), [str(source) for source in inputs])


def own_probabilities(trained, images):
    """Return what the model of a trial says of pixels, without any code of ours but the model."""
    model, _ = load_model(best_of(trained))
    batch = torch.from_numpy(images.copy()).permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        return torch.softmax(model(batch), dim=1).numpy()


def write_pictures(folder, number=4):
    """Write picture files at two depths and return their pixels, in the order of their paths."""
    images = pictures(number)
    files = {f"{k // 2}/{k}.png": encoded(picture) for k, picture in enumerate(images)}
    write_folder(folder, files)
    return images


def check_rows(frame, probabilities):
    """Check that a frame holds good pictures with these probabilities."""
    assert list(frame) == COLUMNS
    np.testing.assert_allclose(frame.filter(like="prob_"), probabilities, atol=1e-5)
    assert list(frame["prediction"]) == [NAMES[k] for k in probabilities.argmax(axis=1)]
    assert frame["error"].isna().all()


def test_folder_is_predicted_file_by_file_in_the_order_of_the_paths(trained, tmp_path):
    images = write_pictures(tmp_path / "cells")
    (tmp_path / "cells" / "notes.txt").write_text("no picture")
    frame = predicted(trained, tmp_path / "cells")
    check_rows(frame, own_probabilities(trained, images))
    assert list(frame["path"]) == [f"{tmp_path}/cells/{k // 2}/{k}.png" for k in range(4)]
    assert list(frame["row"]) == [0, 1, 2, 3]


def test_npz_and_parquet_need_no_labels(trained, tmp_path):
    images = pictures(5)
    rows = [{"bytes": encoded(picture), "path": None} for picture in images]
    for source in (
        write_npz(tmp_path / "cells.npz", images=images),
        write_parquet(tmp_path / "cells.parquet", [0] * 5, rows, label=None),
    ):
        frame = predicted(trained, source)
        check_rows(frame, own_probabilities(trained, images))
        assert list(frame["path"]) == [f"row {k}" for k in range(5)]


def test_part_of_a_source_is_predicted_alone_under_its_own_row_numbers(trained, tmp_path):
    images = pictures(7)
    arrays = {"train_images": images[:4], "test_images": images[4:]}
    frame = predicted(trained, f"{write_npz(tmp_path / 'cells.npz', **arrays)}#test")
    check_rows(frame, own_probabilities(trained, images[4:]))
    assert list(frame["row"]) == [4, 5, 6]


def test_several_inputs_of_all_kinds_come_one_after_the_other(trained, tmp_path):
    images = write_pictures(tmp_path / "folder")
    cells = write_npz(tmp_path / "cells.npz", images=images[:3])
    (tmp_path / "bad.jpg").write_bytes(b"broken")
    (tmp_path / "cell#3.png").write_bytes(encoded(images[1]))
    frame = predicted(
        trained, tmp_path / "folder", cells, tmp_path / "bad.jpg", tmp_path / "cell#3.png"
    )
    assert list(frame["row"]) == [0, 1, 2, 3, 0, 1, 2, 0, 0]
    assert list(frame["error"].notna()) == [False] * 7 + [True, False]
    good = frame.drop(index=7)
    check_rows(good, own_probabilities(trained, images[[0, 1, 2, 3, 0, 1, 2, 1]]))


def test_picture_that_cannot_be_read_is_a_row_with_an_error_even_where_no_other_is(
    trained, tmp_path
):
    files = {"0.png": encoded(pictures(1)[0]), "1.png": b"", "2.png": b"no picture"}
    frame = predicted(trained, write_folder(tmp_path / "cells", files))
    check_rows(frame[:1], own_probabilities(trained, pictures(1)))
    assert frame["error"][1] == "no bytes"
    assert frame["error"][2].startswith("undecodable")
    assert frame.loc[1:, ["prediction", "prob_0", "prob_1", "prob_2"]].isna().all(axis=None)
    (tmp_path / "cells" / "0.png").unlink()
    bad = predicted(trained, tmp_path / "cells")
    assert (list(bad), len(bad), bad["error"].notna().all()) == (COLUMNS, 2, True)
    pd.testing.assert_series_equal(bad.dtypes, frame.dtypes)


def test_batches_do_not_change_the_rows(trained, tmp_path, monkeypatch):
    cells = str(bright_cells(tmp_path / "cells.npz", 7))
    whole, told = predict(best_of(trained), [cells]), []
    monkeypatch.setattr(prediction, "BATCH", 3)
    parts = predict(best_of(trained), [cells], progress=lambda *at: told.append(at))
    pd.testing.assert_frame_equal(parts, whole, atol=1e-6)
    assert told == [(3, 7), (6, 7), (7, 7)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_saved_predictions_are_read_back_as_they_were(trained, tmp_path, suffix):
    files = {"0.png": encoded(pictures(1)[0]), "1.png": b"broken"}
    frame = predicted(trained, write_folder(tmp_path / "cells", files))
    path = tmp_path / f"predictions{suffix}"
    save_predictions(frame, path)
    again = pd.read_csv(path) if suffix == ".csv" else pd.read_parquet(path)
    assert list(again) == COLUMNS
    pd.testing.assert_frame_equal(again, frame, check_dtype=False, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.png", "no such file or folder"),
        ("empty", "holds no images"),
        ("cells.npz#test", "has no picture to predict; it has no parts"),
        ("cells.npz#tets", "did you mean 'test'"),
        ("notes.txt", "is a .txt, but must be "),
        ("broken.npz", "is no npz file"),
    ],
)
def test_input_that_holds_no_pictures_is_refused_by_name(trained, tmp_path, name, reason):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.npz").write_text("no npz")
    write_npz(tmp_path / "cells.npz")
    line = refusal(UserError, predicted, trained, tmp_path / name)
    assert reason in line
    assert str(tmp_path / name.partition("#")[0]) in line
