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

    Reading gigabytes takes seconds, so the result is kept in the cache under the files' names,
    sizes and times of change; touching a file costs a new reading, never a wrong answer.
    """
    stats = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    key = hashlib.sha256(json.dumps([str(root), stats]).encode()).hexdigest()
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
