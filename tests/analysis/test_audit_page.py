from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from analysis.audit_page import ImageMap, audit_page, draw_balance

CLASSES = ("round", "<b>square</b>")
PICTURES = {row: np.full((8, 8, 3), 40 * row, np.uint8) for row in (0, 1, 2, 3)}


@pytest.fixture
def manifest():
    return pd.DataFrame(
        {
            "row": range(5),
            "path": [f"cell {row}" for row in range(5)],
            "label": [0, 1, 0, 1, 1],
            "verdict": ["keep", "drop", "relabel", "keep", "drop"],
            "reason": [None, "duplicate", "label", "label", "undecodable"],
            "group": [0, 0, -1, -1, -1],
            "score": [0.0, 1.0, 0.99, 0.6, 1.0],
            "suggested_label": [-1, -1, 1, 0, -1],
        }
    )


def test_page_shows_counts_pictures_and_the_class_that_is_suggested(manifest):
    page = audit_page("cells.npz", manifest, CLASSES, PICTURES)
    assert "Audit of cells.npz" in page
    assert "<h2>duplicate: 1</h2>" in page
    assert "<h2>label: 2</h2>" in page
    assert "2 round → &lt;b&gt;square&lt;/b&gt;" in page
    assert page.count("<figure class=") == 3


def test_page_needs_nothing_from_elsewhere(manifest):
    points = np.arange(8, dtype=np.float32).reshape(4, 2)
    page = audit_page(
        "cells.npz", manifest, CLASSES, PICTURES, ImageMap(rows=np.arange(4), points=points)
    )
    sources = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: sources.extend(
        value for name, value in attrs if name in ("src", "href") and value
    )
    parser.feed(page)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert len(sources) == 3
    assert "by verdict" in page


def test_balance_counts_classes_before_and_after_dropping_and_relabelling(manifest):
    before, after = draw_balance(manifest, CLASSES).data
    assert list(before.y) == [2, 3]
    assert list(after.y) == [1, 2]


def test_page_of_data_without_a_finding_has_no_gallery(manifest):
    clean = manifest.assign(verdict="keep", reason=None)
    assert "<figure" not in audit_page("cells.npz", clean, CLASSES, PICTURES)
