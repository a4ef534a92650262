"""What a trial tells the driver: an epoch, its end, or its failure."""

from dataclasses import dataclass

from spaces import EpochRecord, TrialSummary

MESSAGE = "message"
"""The key under which a message travels in a Tune result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEnded:
    """An epoch is over and its checkpoints are on disk."""

    record: EpochRecord
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialEnded:
    """All epochs are over and the predictions are on disk."""

    summary: TrialSummary


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialFailed:
    """The trial raised; its log holds the traceback."""

    error: str
    is_disk_full: bool = False
    """Whether it raised for want of space where the run is."""


Message = EpochEnded | TrialEnded | TrialFailed
