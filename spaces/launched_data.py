"""The data that a run was launched on, as its provenance names them."""

import json
from collections.abc import Mapping

from spaces.data_spec import DataSpec
from spaces.errors import UserError
from spaces.run_paths import RunPaths


def check_data(paths: RunPaths, data: DataSpec, fingerprints: Mapping[str, str | None]) -> None:
    """Raise a `UserError` where the data are no longer those that the run was launched on.

    Parameters
    ----------
    paths : RunPaths
        The run.
    data : DataSpec
        Where its data and their manifest are.
    fingerprints : mapping
        What these are now: `data_fingerprint`, and `manifest_fingerprint` or None.
    """
    try:
        launched = json.loads(paths.provenance.read_text(encoding="utf-8"))
        source = launched["data_fingerprint"]
    except FileNotFoundError:
        raise UserError(
            f"{paths.provenance}: is missing; restore it, or launch a new run"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{paths.provenance}: names no data_fingerprint ({type(error).__name__}); restore it,"
            " or launch a new run"
        ) from error
    for name, was, now in (
        (data.source, source, fingerprints["data_fingerprint"]),
        (data.keep, launched.get("manifest_fingerprint"), fingerprints["manifest_fingerprint"]),
    ):
        if was != now:
            raise UserError(
                f"{name or 'data.keep'}: has changed since {paths.root} was launched; restore it,"
                " or launch a new run"
            )
