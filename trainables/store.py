"""The image store: all usable pictures of a source, square, in one memory-mapped array."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.lib.format import open_memmap
from numpy.typing import NDArray

from spaces import Resize, replacing
from trainables.cache import cache_folder
from trainables.picture import BadPictureError, Pixels, square_pixels
from trainables.source import DataError, Source

Progress = Callable[[int, int], None]
"""Told how many steps of how many are done."""

_CHUNK = 256
_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class BadRow:
    """A row of the source that was left out, and why."""

    row: int
    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageStore:
    """The usable pictures of a source; all arrays have one entry per usable picture."""

    source: str
    fingerprint: str
    class_names: tuple[str, ...]
    images: Pixels
    """`[N, S, S, 3]` RGB, memory-mapped read-only: all processes of a machine share the pages."""
    labels: NDArray[np.int64]
    """`[N]`, -1 where there is none."""
    parts: NDArray[np.str_]
    """`[N]`, the part the source put the picture in, or empty."""
    rows: NDArray[np.int64]
    """`[N]`, the picture's row in the source."""
    contents: NDArray[np.int64]
    """`[N]`, a number per content: equal for byte-identical pictures, and for no others but those
    that a manifest puts into one group."""
    bad_rows: tuple[BadRow, ...]
    """Rows left out, in their order."""
    kept: NDArray[np.bool_]
    """`[N]`, whether the picture is to be used; all are unless a manifest drops them."""

    @property
    def is_searched(self) -> NDArray[np.bool_]:
        """`[N]`, whether a search may look at the picture: no part for tests holds it."""
        return np.isin(self.parts, ["train", "validation", ""])


def open_store(
    source: Source, *, size: int, resize: Resize = "crop", progress: Progress | None = None
) -> ImageStore:
    """Return the store of `source`, building it in the cache the first time.

    Parameters
    ----------
    source : Source
        What to decode.
    size : int, pixels
        Side of the stored squares.
    resize : {"crop", "stretch", "pad"}
        How a picture becomes square.
    progress : callable, optional
        Told (pictures done, pictures in all) while the store is built.

    Raises
    ------
    DataError
        Where no picture of the source can be used.
    """
    fingerprint = source.fingerprint()
    key = f"{_VERSION}\0{fingerprint}\0{size}\0{resize}\0{source.labelled}"
    folder = cache_folder() / "stores" / hashlib.sha256(key.encode()).hexdigest()[:24]
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(folder.with_suffix(".lock")):
        if not folder.exists():
            _remove_unfinished(folder)
            with replacing(folder) as building:
                building.mkdir()
                _build(source, building, size=size, resize=resize, progress=progress)
    return _read(folder, source.name, fingerprint)


def _remove_unfinished(folder: Path) -> None:
    """Remove what builders of a store left that were killed; its lock must be held."""
    for left in folder.parent.glob(f".{folder.name}.*"):
        shutil.rmtree(left)


def _build(
    source: Source, folder: Path, *, size: int, resize: Resize, progress: Progress | None
) -> None:
    rows = source.rows()
    total = len(rows.labels)
    shape = (total, size, size, 3)
    images = open_memmap(folder / "images.npy", mode="w+", dtype=np.uint8, shape=shape)
    good: list[int] = []
    hashes: list[bytes] = []
    bad: list[BadRow] = []
    for row, pixels, content in _decoded(source, total, size=size, resize=resize):
        if isinstance(pixels, str):
            bad.append(BadRow(row=row, path=rows.paths[row], reason=pixels))
        else:
            images[len(good)] = pixels
            good.append(row)
            hashes.append(content)
        if progress and (row % _CHUNK == 0 or row == total - 1):
            progress(row + 1, total)
    if not good:
        raise DataError(
            f"{source.name}: not one of {total} pictures can be used"
            f" (row 0: {bad[0].reason}); give images that decode"
        )
    images.flush()
    _truncate(folder / "images.npy", len(good))
    np.savez(
        folder / "rows.npz",
        rows=np.array(good),
        labels=rows.labels[good],
        parts=rows.parts[good],
        contents=np.unique(np.array(hashes), return_inverse=True)[1].astype(np.int64),
    )
    bad_rows = [[b.row, b.path, b.reason] for b in bad]
    facts = {"class_names": rows.class_names, "bad_rows": bad_rows}
    (folder / "store.json").write_text(json.dumps(facts), encoding="utf-8")


def _decoded(
    source: Source, total: int, *, size: int, resize: Resize
) -> Iterator[tuple[int, Pixels | str, bytes]]:
    """Yield (row, pixels or what is wrong with them, hash of the raw picture) in order."""

    def decode(row: int) -> tuple[int, Pixels | str, bytes]:
        try:
            raw = source.picture(row)
            pixels = square_pixels(raw, size=size, resize=resize)
        except (BadPictureError, OSError) as error:
            return row, str(error), b""
        content = raw.tobytes() if isinstance(raw, np.ndarray) else (raw or b"")
        return row, pixels, hashlib.blake2b(content, digest_size=16).digest()

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for start in range(0, total, _CHUNK):
            yield from pool.map(decode, range(start, min(start + _CHUNK, total)))


def _truncate(path: Path, count: int) -> None:
    """Cut a `.npy` file to its first `count` entries without holding it in memory."""
    whole = np.load(path, mmap_mode="r")
    if len(whole) == count:
        return
    with replacing(path) as shorter:
        kept = open_memmap(shorter, mode="w+", dtype=whole.dtype, shape=(count, *whole.shape[1:]))
        for start in range(0, count, _CHUNK):
            kept[start : start + _CHUNK] = whole[start : min(start + _CHUNK, count)]
        kept.flush()


def _read(folder: Path, source: str, fingerprint: str) -> ImageStore:
    facts = json.loads((folder / "store.json").read_text(encoding="utf-8"))
    with np.load(folder / "rows.npz", allow_pickle=False) as arrays:
        columns = dict(arrays)
    return ImageStore(
        source=source,
        fingerprint=fingerprint,
        class_names=tuple(facts["class_names"]),
        images=np.load(folder / "images.npy", mmap_mode="r"),
        bad_rows=tuple(BadRow(row=r, path=p, reason=why) for r, p, why in facts["bad_rows"]),
        kept=np.ones(len(columns["rows"]), dtype=np.bool_),
        **columns,
    )
