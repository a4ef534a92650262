"""What an audit looks for, and what it does with what it finds."""

from dataclasses import dataclass

from spaces.errors import UserError
from spaces.verdict import REASONS


@dataclass(frozen=True, kw_only=True)
class AuditSpec:
    """An audit.

    Raises
    ------
    UserError
        Where a reason is unknown, the threshold is no probability, or the seed is negative.
    """

    drop: tuple[str, ...] = ("junk", "conflicting_duplicate", "duplicate", "near_duplicate")
    """Reasons for which rows are dropped; rows with others are kept, as suspects. Undecodable rows
    are always dropped, wrong labels only where that is asked."""
    threshold: float = 0.9
    """How sure a wrong label must be before the row is relabelled, 0..1."""
    seed: int = 0
    """Of the models that judge labels, and of the map."""
    fast: bool = False
    """Whether labels are left alone and no map is drawn."""
    turned: bool = False
    """Whether a mirrored picture, or one after quarter turns, is a duplicate too."""

    def __post_init__(self) -> None:
        """Check the values."""
        for reason in self.drop:
            if reason not in REASONS:
                known = ", ".join(REASONS)
                raise UserError(f"--drop: {reason!r} is no reason; give some of {known}")
        if not 0 <= self.threshold <= 1:
            raise UserError(f"--threshold: is {self.threshold}, but must be in 0..1; try 0.9")
        if self.seed < 0:
            raise UserError(f"--seed: is {self.seed}, but must be 0 or more; try 0")
