"""A parquet file in the Hugging Face image layout."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from trainables.fingerprint import fingerprint_files
from trainables.picture import RawPicture
from trainables.source import NO_LABEL, DataError, SourceRows, check_labels, numbered_classes

_IMAGE, _LABEL = "image", "label"


class ParquetSource:
    """Rows with `image: {bytes, path}` (or plain bytes) and `label` (a number or a name).

    Class names come from the schema's `huggingface` metadata; without it, labels that are text
    name the classes, and labels that are numbers are named after themselves.
    """

    def __init__(self, path: Path, *, group: str | None = None, labelled: bool = True) -> None:
        self._path, self._group, self.labelled = path, group, labelled

    @property
    def name(self) -> str:
        """The file's path."""
        return str(self._path)

    def fingerprint(self) -> str:
        """Return the hash of the file's content."""
        return fingerprint_files([self._path], self._path)

    def rows(self) -> SourceRows:
        """Return labels, class names, paths and groups; no picture is read."""
        count = pq.read_metadata(self._path).num_rows if self._schema else 0
        labels, class_names = self._labels(count)
        return SourceRows(
            labels=labels,
            class_names=class_names,
            parts=np.full(count, "", dtype="<U10"),
            paths=self._paths(count),
            groups=self._groups(),
        )

    def picture(self, row: int) -> RawPicture:
        """Return the encoded bytes of a row, or None where it holds none."""
        encoded: bytes | None = self._bytes[row].as_py()
        return encoded

    @cached_property
    def _schema(self) -> pa.Schema:
        try:
            schema = pq.read_schema(self._path)
            num_rows = pq.read_metadata(self._path).num_rows
        except (pa.ArrowException, OSError) as error:
            line = f"{self.name}: cannot be read as parquet ({str(error).splitlines()[0]})"
            raise DataError(f"{line}; write it again") from error
        needed = [_IMAGE, *([_LABEL] if self.labelled else []), *filter(None, [self._group])]
        missing = [column for column in needed if column not in schema.names]
        if missing:
            has = ", ".join(schema.names)
            raise DataError(f"{self.name}: has no column {missing[0]!r}; it has {has}")
        if num_rows == 0:
            raise DataError(f"{self.name}: has no rows; give a file with images")
        kind = schema.field(_IMAGE).type
        fields = [kind.field(i).name for i in range(kind.num_fields)]
        if not _is_bytes(kind) and not (pa.types.is_struct(kind) and "bytes" in fields):
            raise DataError(f"{self.name}: column image is {kind}, but must be {{bytes, path}}")
        return schema

    @cached_property
    def _bytes(self) -> pa.ChunkedArray:
        # Chunked as it is: one array of more than 2 GiB would overflow its offsets.
        if _is_bytes(self._schema.field(_IMAGE).type):
            return self._column(_IMAGE)
        return pc.struct_field(self._column(f"{_IMAGE}.bytes", _IMAGE), "bytes")

    def _column(self, selected: str, name: str | None = None) -> pa.ChunkedArray:
        with pq.ParquetFile(self._path, memory_map=True) as file:
            return file.read(columns=[selected])[name or selected]

    def _paths(self, count: int) -> list[str]:
        kind = self._schema.field(_IMAGE).type
        if _is_bytes(kind) or "path" not in [kind.field(i).name for i in range(kind.num_fields)]:
            return [f"row {row}" for row in range(count)]
        names = pc.struct_field(self._column(f"{_IMAGE}.path", _IMAGE), "path").to_pylist()
        return [name or f"row {row}" for row, name in enumerate(names)]

    def _labels(self, count: int) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        names = self._names_in_metadata()
        if _LABEL not in self._schema.names:
            return np.full(count, NO_LABEL), names or ("unlabelled",)
        column = self._column(_LABEL)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            return self._numbers_of_names(column.to_pylist(), names)
        if not pa.types.is_integer(column.type):
            raise DataError(
                f"{self.name}: column label is {column.type}, but must be whole numbers or names"
            )
        whole = column.cast(pa.int64()).fill_null(NO_LABEL).to_numpy()
        labels = np.asarray(whole, dtype=np.int64)
        names = names or numbered_classes(labels)
        check_labels(self.name, labels, len(names))
        return labels, names

    def _numbers_of_names(
        self, texts: list[str | None], names: tuple[str, ...]
    ) -> tuple[NDArray[np.int64], tuple[str, ...]]:
        names = names or tuple(sorted({text for text in texts if text is not None}))
        index: dict[str | None, int] = {name: label for label, name in enumerate(names)}
        index[None] = NO_LABEL
        strange = [text for text in texts if text not in index]
        if strange:
            known = ", ".join(names)
            raise DataError(f"{self.name}: label {strange[0]!r} is not a class name: {known}")
        return np.array([index[text] for text in texts], dtype=np.int64), names

    def _names_in_metadata(self) -> tuple[str, ...]:
        text = (self._schema.metadata or {}).get(b"huggingface", b"{}")
        try:
            features: dict[str, Any] = (
                json.loads(text).get("info", {}).get("features", {})
            )  # Any: JSON
        except json.JSONDecodeError as error:
            line = f"{self.name}: its metadata key huggingface is not JSON ({error})"
            raise DataError(f"{line}; write the file again") from error
        return tuple(features.get(_LABEL, {}).get("names", ()))

    def _groups(self) -> NDArray[np.int64] | None:
        if self._group is None:
            return None
        column = self._column(self._group).combine_chunks()
        codes = column.dictionary_encode().indices.cast(pa.int64())
        alone = pa.array(np.arange(len(codes)) + len(codes))  # a row without a value stands alone
        return np.asarray(pc.coalesce(codes, alone).to_numpy(zero_copy_only=False), dtype=np.int64)


def _is_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
