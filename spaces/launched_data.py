"""The data that a run was launched on, as its provenance names them."""

import json

from spaces.errors import UserError
from spaces.run_paths import RunPaths


def check_data(paths: RunPaths, source: str, fingerprint: str) -> None:
    """Raise a `UserError` where the data are no longer those that the run was launched on.

    Parameters
    ----------
    paths : RunPaths
        The run.
    source : str
        Where its data are.
    fingerprint : str
        What they are now.
    """
    try:
        launched = json.loads(paths.provenance.read_text(encoding="utf-8"))["data_fingerprint"]
    except FileNotFoundError:
        raise UserError(
            f"{paths.provenance}: is missing; restore it, or launch a new run"
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{paths.provenance}: names no data_fingerprint ({type(error).__name__}); restore it,"
            " or launch a new run"
        ) from error
    if launched != fingerprint:
        raise UserError(
            f"{source}: has changed since {paths.root} was launched; restore it, or launch a new"
            " run"
        )
