import json
from datetime import datetime, timedelta

from spaces import RunPaths, note_event, read_events


def test_event_is_a_line_with_its_time_in_utc(tmp_path):
    paths = RunPaths(tmp_path)
    note_event(paths, "started", {"trial": 3})
    note_event(paths, "ended")
    first, second = map(json.loads, paths.events.read_text().splitlines())
    assert (first["event"], first["trial"], second["event"]) == ("started", 3, "ended")
    assert datetime.fromisoformat(first["time"]).utcoffset() == timedelta(0)


def test_events_are_read_as_written_but_for_a_line_that_was_cut(tmp_path):
    paths = RunPaths(tmp_path)
    assert read_events(paths) == []
    note_event(paths, "started", {"trial": 3})
    with paths.events.open("a") as file:
        file.write('{"event": "en')
    assert [(event["event"], event["trial"]) for event in read_events(paths)] == [("started", 3)]
