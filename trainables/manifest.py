"""The manifest of an audit: what becomes of every row of a source, and where its twins are."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api.types import is_bool_dtype

from spaces import did_you_mean, replacing
from spaces.verdict import DROP, KEEP, RELABEL, VERDICTS
from trainables.source import DataError, SourceRows
from trainables.split import linked
from trainables.store import ImageStore

NO_GROUP = -1
"""The group of a row that has no duplicate."""

_TYPES = {
    "row": "int64",
    "path": "string",
    "label": "int64",
    "verdict": "string",
    "reason": "string",
    "group": "int64",
    "score": "float64",
    "suggested_label": "int64",
}
_FINGERPRINT = "source_fingerprint"
_MOST = 2**53
"""The largest whole number up to which all are told apart in float64."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """The verdicts of an audit, which people may have edited."""

    frame: pd.DataFrame
    """A row per row of the source, in its order: row, path, label, verdict (keep, drop, relabel),
    reason (null where there is none), group (of duplicates, else -1), score (0..1, how sure),
    suggested_label (else -1)."""
    fingerprint: str | None
    """That of the source; None where the program that a manifest was edited with has lost it."""
    name: str
    """The manifest as people call it, in messages."""

    def decisions(self) -> str:
        """Return a hash of all that matters to a sweep: verdicts, new labels and groups."""
        verdict, new = self._column("verdict"), self._column("suggested_label")
        columns = (
            [VERDICTS.index(value) for value in verdict],
            np.where(verdict == RELABEL, new, -1),
            self._column("group"),
        )
        return hashlib.sha256(np.array(columns, dtype="<i8").tobytes()).hexdigest()

    def applied(self, store: ImageStore) -> ImageStore:
        """Return the store without dropped rows, with new labels, its groups linked like contents.

        Raises
        ------
        DataError
            Where the manifest is one of another source, or has a label that is no class.
        """
        self._check(store)
        verdict, new = self._column("verdict")[store.rows], self._column("suggested_label")
        groups = separated(self._column("group")[store.rows])
        return replace(
            store,
            labels=np.where(verdict == RELABEL, new[store.rows], store.labels),
            contents=linked(store.contents, groups),
            kept=verdict != DROP,
        )

    def _column(self, name: str) -> NDArray[Any]:  # Any: of the column's type
        return np.asarray(self.frame[name])

    def _check(self, store: ImageStore) -> None:
        again = f"audit it again with `cytosweep audit {store.source} -o DIR`"
        if self.fingerprint not in (None, store.fingerprint):
            raise DataError(
                f"{self.name}: was made of another source than {store.source} (fingerprint"
                f" {str(self.fingerprint)[:12]}, not {store.fingerprint[:12]}); {again}"
            )
        total = len(store.rows) + len(store.bad_rows)
        if len(self.frame) != total:
            raise DataError(
                f"{self.name}: has {len(self.frame)} rows, but {store.source} has {total}; restore"
                f" the rows, or {again}"
            )
        label = self._column("label")[store.rows]
        for row in store.rows[label != store.labels][:1]:
            raise DataError(
                f"{self.name}: row {row} has label {self.frame['label'][row]}, but"
                f" {store.source} has another; put new labels into suggested_label, or {again}"
            )
        new = self._column("suggested_label")
        strange = (self._column("verdict") == RELABEL) & (
            (new < 0) | (new >= len(store.class_names))
        )
        for row in np.flatnonzero(strange)[:1]:
            raise DataError(
                f"{self.name}: row {row} has suggested_label {new[row]}, but relabel needs one of"
                f" 0..{len(store.class_names) - 1}; correct it, or keep the row"
            )


def separated(groups: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return groups `[n]` in which whatever had none, `NO_GROUP`, is one of its own."""
    alone = groups.max(initial=NO_GROUP) + 1 + np.arange(len(groups))
    return np.where(groups == NO_GROUP, alone, groups)


def kept_rows(rows: SourceRows) -> pd.DataFrame:
    """Return the frame of a manifest that keeps every row of a source as it is."""
    number = len(rows.labels)
    columns = {
        "row": np.arange(number),
        "path": list(rows.paths),
        "label": rows.labels,
        "verdict": KEEP,
        "reason": None,
        "group": NO_GROUP,
        "score": 0.0,
        "suggested_label": -1,
    }
    return pd.DataFrame(columns, index=range(number)).astype(_TYPES)


def write_manifest(path: Path, frame: pd.DataFrame, fingerprint: str) -> None:
    """Write the frame of a manifest to `path`, all of it or nothing.

    The fingerprint of the source is an attribute of the frame: pandas keeps it in the metadata of
    the schema, and hands it on where a manifest is read, edited and written.
    """
    typed = frame[list(_TYPES)].astype(_TYPES)
    typed.attrs = {_FINGERPRINT: fingerprint}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        typed.to_parquet(temporary, engine="pyarrow", index=False)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises
    ------
    DataError
        Where there is none, or a column or a value is not what it must be.
    """
    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such manifest; restore it, or write one with `cytosweep audit`"
        ) from None
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: is no parquet file ({reason}); give a manifest") from error
    missing = [name for name in _TYPES if name not in frame]
    if missing:
        raise DataError(
            f"{path}: has no column {', '.join(missing)}, but must have {', '.join(_TYPES)};"
            " restore it, or audit the source again"
        )
    fingerprint = frame.attrs.get(_FINGERPRINT)
    return Manifest(
        frame=_typed(path, frame),
        fingerprint=None if fingerprint is None else str(fingerprint),
        name=str(path),
    )


def _typed(path: Path, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the columns of a manifest in their types and the order of the rows."""
    for name, kind in _TYPES.items():
        if kind != "string":
            values = pd.to_numeric(frame[name], errors="coerce").astype("float64")
            if kind == "float64":
                good, rule = values.between(0, 1), "a number in 0..1"
            else:
                good = values.between(-1, _MOST) & (values % 1 == 0)
                rule = "a whole number of at least -1"
            _refuse(path, frame, name, ~good | is_bool_dtype(frame[name]), rule)
    known = ", ".join(VERDICTS)
    _refuse(path, frame, "verdict", ~frame["verdict"].isin(VERDICTS), f"one of {known}")
    typed = frame[list(_TYPES)].astype(_TYPES).sort_values("row", ignore_index=True)
    away = typed["row"] != np.arange(len(typed))
    if away.any():
        raise DataError(
            f"{path}: has {len(typed)} rows, but row {away.argmax()} is not once among them; edit"
            " values, and leave all rows there (verdict drop)"
        )
    return typed


def _refuse(
    path: Path, frame: pd.DataFrame, column: str, bad: "pd.Series[bool]", rule: str
) -> None:
    """Raise a `DataError` that names the first bad value of a column."""
    if bad.any():
        first = int(np.argmax(bad.to_numpy()))
        value = frame[column].iloc[first]
        hint = did_you_mean(str(value), VERDICTS) if column == "verdict" else ""
        raise DataError(
            f"{path}: row {frame['row'].iloc[first]} has {column} {value!s}, but must have {rule};"
            f" correct it{hint}"
        )
