"""Where decoded images are kept between runs."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `$CYTOSWEEP_CACHE`, else `cytosweep` in the XDG cache; it may not exist yet."""
    if named := os.environ.get("CYTOSWEEP_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cytosweep"
