import errno

import pytest

from search.full_disk import is_disk_full


def wrapped(error):
    """Return an error that was raised while another was handled, as Tune does."""
    try:
        try:
            raise error
        except OSError:
            raise RuntimeError("traceback") from None
    except RuntimeError as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "is_full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (wrapped(OSError(errno.ENOSPC, "No space left on device")), True),
        (wrapped(OSError(errno.EACCES, "Permission denied")), False),
        (ValueError("a full disk is round"), False),
        (None, False),
    ],
)
def test_full_disk_is_told_from_other_errors_also_where_it_is_wrapped(error, is_full):
    assert is_disk_full(error) is is_full


def test_full_disk_is_told_from_the_words_of_safetensors():
    error = Exception("Error while serializing: I/O error: No space left on device (os error 28)")
    assert is_disk_full(error)
