"""The audit as one page of HTML that needs nothing else: map, galleries, balance of the classes."""

import base64
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment
from PIL import Image
from plotly.offline import get_plotlyjs

from analysis.image_map import ImageMap
from spaces.verdict import DROP, KEEP, RELABEL
from trainables.picture import Pixels
from trainables.store import ImageStore

MAX_SHOWN = 96
"""Pictures shown of each reason: the first groups of duplicates, else findings from the surest to
the least sure."""

_OF_GROUPS = ("conflicting_duplicate", "duplicate", "near_duplicate")
_MAP_PX, _GALLERY_PX = 32, 64


def audit_page(
    store: ImageStore,
    manifest: pd.DataFrame,
    *,
    notes: Sequence[str] = (),
    image_map: ImageMap | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    store : ImageStore
        The pictures that decode.
    manifest : DataFrame
        One row per row of the source, as `trainables.manifest` has it.
    notes : sequence of str
        What the reader is to know.
    image_map : ImageMap, optional
        Drawn where there is one.
    """
    class_names = store.class_names
    pictures = dict(zip(store.rows.tolist(), store.images, strict=True))
    unreadable = {bad.row: bad.reason for bad in store.bad_rows}
    template = files("analysis").joinpath("audit_page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    shown = manifest.assign(verdict=_verdicts(manifest), name=_names(manifest, class_names))
    return environment.from_string(template).render(
        title=store.source,
        num_rows=len(manifest),
        counts=shown.groupby(["verdict", "reason"], dropna=False).size().reset_index().values,
        notes=notes,
        plotly=get_plotlyjs(),
        image_map=image_map and _script(_draw_map(shown, image_map)),
        thumbnails=[_encode(pictures[row], _MAP_PX) for row in image_map.rows] if image_map else [],
        balance=_script(draw_balance(manifest, class_names)),
        galleries=_galleries(shown, class_names, pictures, unreadable),
    )


def _verdicts(manifest: pd.DataFrame) -> pd.Series:
    """Return each row's verdict; of rows to keep, those with a reason are only suspected."""
    is_suspected = (manifest["verdict"] == KEEP) & manifest["reason"].notna()
    return manifest["verdict"].mask(is_suspected, "suspected").rename("verdict")


def _names(manifest: pd.DataFrame, class_names: tuple[str, ...]) -> list[str]:
    return [class_names[label] if label >= 0 else "no label" for label in manifest["label"]]


def _draw_map(shown: pd.DataFrame, image_map: ImageMap) -> go.Figure:
    """Draw the map twice, coloured by class and by verdict; buttons choose."""
    rows = shown.iloc[image_map.rows].reset_index(drop=True)
    figure = go.Figure()
    for what in ("name", "verdict"):
        for value, members in rows.groupby(what):
            points = image_map.points[members.index]
            figure.add_trace(
                go.Scattergl(
                    x=points[:, 0],
                    y=points[:, 1],
                    name=str(value),
                    mode="markers",
                    marker={"size": 4 if what == "name" or value == KEEP else 7, "opacity": 0.7},
                    customdata=members.index,
                    text=[
                        f"row {row.row}: {row.name_}, {row.verdict}"
                        for row in members.rename(columns={"name": "name_"}).itertuples()
                    ],
                    hoverinfo="text",
                    visible=what == "name",
                )
            )
    by_class = [True] * rows["name"].nunique() + [False] * rows["verdict"].nunique()
    choices = {"by class": by_class, "by verdict": [not one for one in by_class]}
    buttons = [
        {"label": label, "method": "restyle", "args": ["visible", visible]}
        for label, visible in choices.items()
    ]
    figure.update_layout(
        height=640,
        updatemenus=[
            {"type": "buttons", "direction": "right", "y": 1.08, "x": 0.3, "buttons": buttons}
        ],
        xaxis={"visible": False},
        yaxis={"visible": False, "scaleanchor": "x"},
        margin={"t": 40, "b": 10, "l": 10, "r": 10},
        template="plotly_white",
    )
    return figure


def draw_balance(manifest: pd.DataFrame, class_names: tuple[str, ...]) -> go.Figure:
    """Draw how many images of each class there are, before and after the verdicts' effect."""
    relabelled = manifest["label"].where(
        manifest["verdict"] != RELABEL, manifest["suggested_label"]
    )
    bars = {
        "before": manifest.loc[manifest["label"] >= 0, "label"],
        "after": relabelled[(manifest["verdict"] != DROP) & (relabelled >= 0)],
    }
    figure = go.Figure()
    for name, labels in bars.items():
        counts = np.bincount(labels.to_numpy(), minlength=len(class_names)).tolist()
        figure.add_bar(x=list(class_names), y=counts, name=name, text=counts)
    figure.update_layout(height=360, template="plotly_white", margin={"t": 20, "b": 40})
    return figure


def _script(figure: go.Figure) -> str:
    """Return a figure as it stands in a script, which no name of a class may end."""
    return str(figure.to_json()).replace("</", "<\\/")


def _galleries(
    shown: pd.DataFrame,
    class_names: tuple[str, ...],
    pictures: Mapping[int, Pixels],
    unreadable: Mapping[int, str],
) -> list[tuple[str, int, list[dict[str, str]]]]:
    """Return for each reason its name, how many rows it has, and pictures of some."""
    galleries = []
    for reason, members in shown.groupby("reason", sort=False):
        if reason in _OF_GROUPS:  # beside what stays of their groups
            kept = shown[shown["reason"].isna() & shown["group"].isin(members["group"])]
            chosen = pd.concat([members, kept]).sort_values(["group", "row"]).head(MAX_SHOWN)
        else:
            sure = members.sort_values("score", ascending=False)
            spread = np.linspace(0, len(sure) - 1, min(MAX_SHOWN, len(sure))).round().astype(int)
            chosen = sure.iloc[spread]
        cards = [
            {
                "picture": _encode(pictures[row], _GALLERY_PX) if row in pictures else "",
                "verdict": str(verdict),
                "caption": f"{row} {name}"
                + (f" → {class_names[suggested]}" if suggested >= 0 else "")
                + (f": {unreadable[row]}" if row in unreadable else ""),
            }
            for row, verdict, name, suggested in chosen[
                ["row", "verdict", "name", "suggested_label"]
            ].itertuples(index=False, name=None)
        ]
        galleries.append((str(reason), len(members), cards))
    return galleries


def _encode(picture: Pixels, size: int) -> str:
    """Return a picture as base64 of a JPEG of this side."""
    file = io.BytesIO()
    Image.fromarray(picture).resize((size, size), Image.Resampling.BOX).save(
        file, "JPEG", quality=80
    )
    return base64.b64encode(file.getvalue()).decode()
