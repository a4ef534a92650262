"""The audit as one page of HTML that needs nothing else: map, galleries, balance of the classes."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from jinja2 import Environment
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from plotly.offline import get_plotlyjs

from trainables.picture import Pixels

MAX_SHOWN = 96
"""Pictures shown of each reason: those of which the audit is surest."""

_MAP_PX, _GALLERY_PX = 32, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMap:
    """Images in the plane, alike ones near each other."""

    rows: NDArray[np.int64]
    """`[n]`, rows of the manifest."""
    points: NDArray[np.float32]
    """`[n, 2]`."""


def audit_page(
    title: str,
    manifest: pd.DataFrame,
    class_names: tuple[str, ...],
    pictures: Mapping[int, Pixels],
    image_map: ImageMap | None = None,
) -> str:
    """Return the page.

    Parameters
    ----------
    title : str
        The source, as its user named it.
    manifest : DataFrame
        One row per row of the source, as `trainables.manifest` has it.
    class_names : tuple of str
        In the order of the labels.
    pictures : mapping
        The picture, `[S, S, 3]`, of every row that decodes.
    image_map : ImageMap, optional
        Drawn where there is one.
    """
    template = files("analysis").joinpath("audit_page.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    shown = manifest.assign(verdict=_verdicts(manifest), name=_names(manifest, class_names))
    return environment.from_string(template).render(
        title=title,
        num_rows=len(manifest),
        counts=shown.groupby(["verdict", "reason"], dropna=False).size().reset_index().values,
        plotly=Markup(get_plotlyjs()),
        image_map=image_map and Markup(_draw_map(shown, image_map).to_json()),
        thumbnails=[_encode(pictures[row], _MAP_PX) for row in image_map.rows] if image_map else [],
        balance=Markup(draw_balance(manifest, class_names).to_json()),
        galleries=_galleries(shown, class_names, pictures),
    )


def _verdicts(manifest: pd.DataFrame) -> pd.Series:
    """Return each row's verdict; of rows to keep, those with a reason are only suspected."""
    is_suspected = (manifest["verdict"] == "keep") & manifest["reason"].notna()
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
                    marker={"size": 4 if what == "name" or value == "keep" else 7, "opacity": 0.7},
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
        manifest["verdict"] != "relabel", manifest["suggested_label"]
    )
    bars = {
        "before": manifest.loc[manifest["label"] >= 0, "label"],
        "after": relabelled[(manifest["verdict"] != "drop") & (relabelled >= 0)],
    }
    figure = go.Figure()
    for name, labels in bars.items():
        counts = np.bincount(labels.to_numpy(), minlength=len(class_names)).tolist()
        figure.add_bar(x=list(class_names), y=counts, name=name, text=counts)
    figure.update_layout(height=360, template="plotly_white", margin={"t": 20, "b": 40})
    return figure


def _galleries(
    shown: pd.DataFrame, class_names: tuple[str, ...], pictures: Mapping[int, Pixels]
) -> list[tuple[str, int, list[dict[str, str]]]]:
    """Return for each reason its name, how many rows it has, and pictures of the surest."""
    galleries = []
    for reason, members in shown.groupby("reason", sort=False):
        visible = members[members["row"].isin(pictures.keys())]
        order = ["group", "row"] if visible["group"].ge(0).all() else ["score"]
        surest = visible.sort_values(order, ascending=len(order) > 1).head(MAX_SHOWN)
        cards = [
            {
                "picture": _encode(pictures[row], _GALLERY_PX),
                "verdict": str(verdict),
                "caption": f"{row} {name}"
                + (f" → {class_names[suggested]}" if suggested >= 0 else ""),
            }
            for row, verdict, name, suggested in surest[
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
