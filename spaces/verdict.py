"""What an audit may say of a row of a source."""

KEEP, DROP, RELABEL = "keep", "drop", "relabel"
VERDICTS = (KEEP, DROP, RELABEL)

REASONS = ("undecodable", "junk", "conflicting_duplicate", "duplicate", "near_duplicate", "label")
"""Why a row has its verdict; of several reasons the first one."""
