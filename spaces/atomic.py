"""Writing files and folders so that a reader never sees half of one."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

_OLD = ".old"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary sibling to write; it takes the place of `path` once the block ends well.

    The block writes a file or makes a folder of that name. On an error `path` stays as it was and
    the sibling is removed. A folder that was at `path` is replaced whole.
    """
    path = path.absolute()  # "." has no name
    temporary = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        yield temporary
        if temporary.is_dir():
            _replace_folder(temporary, path)
        else:
            _flush(temporary)
            temporary.replace(path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def why_not_makeable(folder: Path) -> str | None:
    """Return why a folder, and what is missing above it, cannot be made; None where it can be."""
    try:
        above = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    except OSError as error:
        return error.strerror
    if not above.is_dir():
        return f"{above} is no folder"
    return None if os.access(above, os.W_OK | os.X_OK) else f"{above} may not be written to"


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 to `path`, all of it or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def recover(path: Path) -> None:
    """Clear up what killed writers left beside `path`; for the one that is about to write it."""
    restore(path)
    for left in _leftovers(path):
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def restore(path: Path) -> None:
    """Put the folder back that a kill between two renames left under its temporary name."""
    if path.exists():  # asked first: readers come here for every trial of a run
        return
    old = [left for left in _leftovers(path) if left.suffix == _OLD and left.is_dir()]
    if old:
        max(old, key=lambda left: left.stat().st_ctime_ns).rename(path)


def _leftovers(path: Path) -> list[Path]:
    """Return the temporary siblings of `path`."""
    name = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}({re.escape(_OLD)})?")
    if not path.parent.is_dir():
        return []
    return [sibling for sibling in path.parent.iterdir() if name.fullmatch(sibling.name)]


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _replace_folder(source: Path, target: Path) -> None:
    """Put `source` in the place of `target`; two renames, since none replaces a full folder.

    A kill between them leaves no `target`; see `restore`.
    """
    if not target.exists():
        source.rename(target)
        return
    old = target.with_name(f".{target.name}.{uuid4().hex[:8]}{_OLD}")
    target.rename(old)
    source.rename(target)
    if old.is_dir():
        shutil.rmtree(old)
    else:
        old.unlink()
