"""Fingerprints of files: a hash of their content, remembered while they do not change."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from spaces import write_text
from trainables.cache import cache_folder


def fingerprint_files(files: Sequence[Path], root: Path) -> str:
    """Return a SHA-256 over names (relative to `root`) and contents of `files`, 64 hex digits.

    A single file is its own root, so that its name does not matter.

    Reading gigabytes takes seconds, so the result is kept in the cache under the files' places,
    sizes, times and inodes. Touching a file costs a new reading; a change of content goes unseen
    only where it leaves all of these as they were, which no ordinary write does.
    """
    facts = [_facts(file, root) for file in files]
    key = hashlib.sha256(json.dumps([str(root.resolve()), facts]).encode()).hexdigest()
    remembered = cache_folder() / "fingerprints" / key
    if remembered.exists():
        return remembered.read_text()
    whole = hashlib.sha256()
    for file in files:
        with file.open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        whole.update(f"{file.relative_to(root).as_posix()}\0{content}\n".encode())
    remembered.parent.mkdir(parents=True, exist_ok=True)
    write_text(remembered, whole.hexdigest())
    return whole.hexdigest()


def _facts(file: Path, root: Path) -> tuple[str, int, int, int, int]:
    """Return what tells that a file is the one it was, without reading it."""
    stat = file.stat()
    name = file.relative_to(root).as_posix()
    return name, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino
