import json
import math
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from cytosweep.console import cell, plain, print_frame, print_json, progress_bar


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, None), (math.inf, None), (-math.inf, None), (np.float32("nan"), None),
        (pd.NA, None), (pd.NaT, None), (None, None), (np.float64(0.5), 0.5), (np.int64(3), 3),
        (np.bool_(True), True), ("text", "text"), ((1, 2), [1, 2]), ({"a": {1: math.nan}},
        {"a": {"1": None}}), (pd.Timestamp("2026-01-02 03:04:05"), "2026-01-02T03:04:05"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02T03:04:05"),
    ],
)  # fmt: skip
def test_plain_value_can_be_written_as_json(value, expected):
    assert plain(value) == expected
    assert json.loads(json.dumps(plain(value), allow_nan=False)) == expected


@pytest.mark.parametrize(
    "text", ["[bold]x[/bold]", "a" * 500, "müde\n\ttab", "\x1b[31mred", ":cat:"]
)
def test_json_is_printed_as_it_is(capsys, text):
    print_json({"text": text})
    assert json.loads(capsys.readouterr().out) == {"text": text}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.12345, "0.123"), (12.0, "12.000"), (0.0, "0.000"), (0.00012345, "0.000123"),
        (-0.00012345, "-0.000123"), (math.nan, "-"), (pd.NA, "-"), (None, "-"), (7, "7"),
        ("COMPLETE", "COMPLETE"), (pd.Timestamp("2026-01-02 03:04:05"), "01-02 03:04:05"),
    ],
)  # fmt: skip
def test_cell_shows_a_value_in_few_characters(value, text):
    assert cell(value) == text


def test_frame_is_printed_with_a_line_for_every_row_as_wide_as_it_needs_to_be(capsys):
    print_frame(pd.DataFrame({"trial": [0, 1], "state": ["[RUNNING]", None], "error": "e" * 300}))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["trial", "state", "error"]
    assert lines[1:] == [["0", "[RUNNING]", "e" * 300], ["1", "-", "e" * 300]]


def test_progress_bar_in_a_pipe_prints_nothing(capsys):
    with progress_bar("decoding") as show:
        show(1, 2)
    assert capsys.readouterr() == ("", "")
