from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from analysis.audit_page import audit_page, draw_balance
from analysis.image_map import ImageMap
from tests.trainables.builders import image_store
from trainables.store import BadRow

CLASSES = ("round", "<b>square</b>")


def store(second_class=CLASSES[1]):
    """Return a store of four pictures and a row that does not decode."""
    images = np.stack([np.full((8, 8, 3), 40 * row, np.uint8) for row in range(4)])
    good = image_store([0, 1, 0, 1], images=images, class_names=("round", second_class))
    return replace(good, bad_rows=(BadRow(row=4, path="cell 4", reason="no bytes"),))


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
    page = audit_page(store(), manifest, notes=["no map"])
    assert "<p>Note: no map</p>" in page
    assert "Audit of cells.npz" in page
    assert "<h2>duplicate: 1</h2>" in page
    assert "<h2>label: 2</h2>" in page
    assert "2 round → &lt;b&gt;square&lt;/b&gt;" in page
    assert page.count("<img src=") == 4  # the dropped one beside what stays of its group
    assert "4 &lt;b&gt;square&lt;/b&gt;: no bytes" in page


def test_page_needs_nothing_from_elsewhere(manifest):
    points = np.arange(8, dtype=np.float32).reshape(4, 2)
    page = audit_page(store(), manifest, image_map=ImageMap(rows=np.arange(4), points=points))
    sources = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attrs: sources.extend(
        value for name, value in attrs if name in ("src", "href") and value
    )
    parser.feed(page)
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert len(sources) == 4
    assert "by verdict" in page


def test_balance_counts_classes_before_and_after_dropping_and_relabelling(manifest):
    before, after = draw_balance(manifest, CLASSES).data
    assert list(before.y) == [2, 3]
    assert list(after.y) == [1, 2]


def test_page_of_data_without_a_finding_has_no_gallery(manifest):
    clean = manifest.assign(verdict="keep", reason=None)
    assert "<figure" not in audit_page(store(), clean)


def test_name_of_a_class_does_not_end_the_script(manifest):
    page = audit_page(store("</script>"), manifest)
    script = page[page.index("const draw") :]
    assert script.count("</script>") == 1
