"""Telling a full disk from other errors."""

import errno

_FULL = (errno.ENOSPC, errno.EDQUOT)


def is_disk_full(error: BaseException | None) -> bool:
    """Return whether an error, or one that it was raised for, says that a disk or a quota is full.

    Safetensors and Tune tell of it in words of their own.
    """
    if error is None:
        return False
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    words = str(error)
    return "os error 28" in words or is_disk_full(error.__cause__ or error.__context__)
