import numpy as np
import pandas as pd
import pytest
import torch

from analysis import predict, save_predictions
from spaces import UserError
from tests.analysis.builders import bright_cells
from tests.trainables.builders import (
    NAMES,
    encoded,
    pictures,
    write_folder,
    write_npz,
    write_parquet,
)
from trainables import load_model, prediction

COLUMNS = ["row", "path", "prediction", "prob_0", "prob_1", "prob_2", "error"]


def model_of(trained):
    return trained.trial(0).best


def own_probabilities(trained, images):
    """Return what the model of a trial says of pixels, without any code of ours but the model."""
    model, _ = load_model(model_of(trained))
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
    columns = [f"prob_{k}" for k in range(3)]
    np.testing.assert_allclose(frame[columns].to_numpy(), probabilities, atol=1e-5)
    assert list(frame["prediction"]) == [NAMES[k] for k in probabilities.argmax(axis=1)]
    assert frame["error"].isna().all()


def test_folder_is_predicted_file_by_file_in_the_order_of_the_paths(trained, tmp_path):
    images = write_pictures(tmp_path / "cells")
    (tmp_path / "cells" / "notes.txt").write_text("no picture")
    frame = predict(model_of(trained), [str(tmp_path / "cells")])
    check_rows(frame, own_probabilities(trained, images))
    expected = [str(tmp_path / "cells" / f"{k // 2}" / f"{k}.png") for k in range(4)]
    assert list(frame["path"]) == expected
    assert list(frame["row"]) == [0, 1, 2, 3]


def test_npz_and_parquet_need_no_labels(trained, tmp_path):
    images = pictures(5)
    rows = [{"bytes": encoded(picture), "path": None} for picture in images]
    cells = (
        write_npz(tmp_path / "cells.npz", images=images),
        write_parquet(tmp_path / "cells.parquet", [0] * 5, rows, label=None),
    )
    for source in cells:
        frame = predict(model_of(trained), [str(source)])
        check_rows(frame, own_probabilities(trained, images))
        assert list(frame["path"]) == [f"row {k}" for k in range(5)]


def test_part_of_a_source_is_predicted_alone_under_its_own_row_numbers(trained, tmp_path):
    images = pictures(7)
    arrays = {"train_images": images[:4], "test_images": images[4:]}
    cells = write_npz(tmp_path / "cells.npz", **arrays)
    frame = predict(model_of(trained), [f"{cells}#test"])
    check_rows(frame, own_probabilities(trained, images[4:]))
    assert list(frame["row"]) == [4, 5, 6]


def test_several_inputs_of_all_kinds_come_one_after_the_other(trained, tmp_path):
    images = write_pictures(tmp_path / "folder")
    cells = write_npz(tmp_path / "cells.npz", images=images[:3])
    (tmp_path / "bad.jpg").write_bytes(b"broken")
    inputs = [tmp_path / "folder", cells, tmp_path / "bad.jpg", tmp_path / "folder/0/1.png"]
    frame = predict(model_of(trained), [str(path) for path in inputs])
    assert list(frame["row"]) == [0, 1, 2, 3, 0, 1, 2, 0, 0]
    assert list(frame["error"].notna()) == [False] * 7 + [True, False]
    good = frame.drop(index=7)
    check_rows(good, own_probabilities(trained, images[[0, 1, 2, 3, 0, 1, 2, 1]]))


@pytest.mark.parametrize(("content", "reason"), [(b"", "no bytes"), (b"no picture", "undecodable")])
def test_picture_that_cannot_be_read_is_a_row_with_an_error(trained, tmp_path, content, reason):
    files = {"0.png": encoded(pictures(1)[0]), "1.png": content}
    frame = predict(model_of(trained), [str(write_folder(tmp_path / "cells", files))])
    assert list(frame) == COLUMNS
    check_rows(frame[:1], own_probabilities(trained, pictures(1)))
    assert frame["error"][1].startswith(reason)
    assert frame.loc[1, ["prediction", "prob_0", "prob_1", "prob_2"]].isna().all()


def test_input_without_one_good_picture_gives_rows_of_errors(trained, tmp_path):
    cells = write_folder(tmp_path / "cells", {"0.png": b"", "1.png": b"broken"})
    frame = predict(model_of(trained), [str(cells)])
    good = predict(model_of(trained), [str(write_npz(tmp_path / "good.npz"))])
    assert list(frame) == COLUMNS
    assert frame["error"].notna().all()
    pd.testing.assert_series_equal(frame.dtypes, good.dtypes)


def test_batches_do_not_change_the_rows(trained, tmp_path, monkeypatch):
    cells = str(bright_cells(tmp_path / "cells.npz", 7))
    whole, told = predict(model_of(trained), [cells]), []
    monkeypatch.setattr(prediction, "BATCH", 3)
    parts = predict(model_of(trained), [cells], progress=lambda *at: told.append(at))
    pd.testing.assert_frame_equal(parts, whole, atol=1e-6)
    assert told == [(3, 7), (6, 7), (7, 7)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_saved_predictions_are_read_back_as_they_were(trained, tmp_path, suffix):
    files = {"0.png": encoded(pictures(1)[0]), "1.png": b"broken"}
    frame = predict(model_of(trained), [str(write_folder(tmp_path / "cells", files))])
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
        ("broken.npz", "cannot be read as npz"),
    ],
)
def test_input_that_holds_no_pictures_is_refused_by_name(trained, tmp_path, name, reason):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("no picture")
    (tmp_path / "broken.npz").write_text("no npz")
    write_npz(tmp_path / "cells.npz")
    with pytest.raises(UserError, match=reason) as caught:
        predict(model_of(trained), [str(tmp_path / name)])
    assert str(tmp_path / name.partition("#")[0]) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_file_with_a_number_sign_in_its_name_is_predicted(trained, tmp_path):
    path = tmp_path / "cell#3.png"
    path.write_bytes(encoded(pictures(1)[0]))
    check_rows(predict(model_of(trained), [str(path)]), own_probabilities(trained, pictures(1)))
