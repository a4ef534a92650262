"""Opening a source by its name."""

from pathlib import Path

from PIL import Image

from trainables.file_source import FileSource
from trainables.folder_source import FolderSource
from trainables.medmnist_source import MedmnistSource
from trainables.npz_source import NpzSource
from trainables.parquet_source import ParquetSource
from trainables.source import PARTS, DataError, Source
from trainables.synthetic_source import SyntheticSource


def open_source(name: str, *, group: str | None = None, labelled: bool = True) -> Source:
    """Return the source called `name`, without a `#part`.

    Parameters
    ----------
    name : str
        A `.parquet` or `.npz` file, a folder of class folders, `medmnist:` and the name of a data
        set, or `synthetic:blood-cells`.
    group : str, optional
        Column of a parquet file whose equal values form a group.
    labelled : bool
        Whether labels are needed; without them a picture file, or a folder of pictures however
        deep, is a source too.

    Raises
    ------
    DataError
        Where there is nothing of that name, or it holds no labelled pictures.
    """
    path = Path(name).expanduser()
    whole, mark, part = name.rpartition("#")
    if mark and part in (*PARTS, "val") and not path.exists():
        raise DataError(
            f"{name}: is a part, but a sweep learns from a whole source, as data.split divides it;"
            f" give {whole}, and name parts to evaluate and predict only"
        )
    if group is not None and path.suffix != ".parquet":
        raise DataError(f"{name}: has no columns, but data.split.group is {group!r}; leave it out")
    if name.startswith("medmnist:") and not path.exists():
        return MedmnistSource(name, labelled=labelled)
    if ":" in name and not path.exists():
        return SyntheticSource(name)
    if not path.exists():
        raise DataError(f"{name}: no such file or folder; give a .parquet, a .npz or a folder")
    if path.is_dir():
        return FolderSource(path) if labelled else FileSource(path)
    if not labelled and path.suffix.lower() in Image.registered_extensions():
        return FileSource(path)
    if path.suffix not in (".parquet", ".npz"):
        raise DataError(
            f"{name}: is a {path.suffix or 'file without suffix'}, but must be .parquet, .npz or"
            " a folder"
        )
    if path.stat().st_size == 0:
        raise DataError(f"{name}: is an empty file; give a file with images")
    if path.suffix == ".parquet":
        return ParquetSource(path, group=group, labelled=labelled)
    return NpzSource(path, labelled=labelled)
