"""The events of a run: one JSON line per happening, written by the driver alone."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from spaces.run_paths import RunPaths

Event = dict[str, Any]  # Any: JSON


def note_event(paths: RunPaths, event: str, facts: Mapping[str, object] | None = None) -> None:
    """Append one line to the run's events."""
    line = {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "event": event,
        **(facts or {}),
    }
    with paths.events.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read_events(paths: RunPaths) -> list[Event]:
    """Return all events of a run; a line that a kill cut, or that is being written, is left out."""
    if not paths.events.exists():
        return []
    found = []
    for line in paths.events.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
