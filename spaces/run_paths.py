"""All names of files in a run folder."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class TrialPaths:
    """The files of one trial."""

    root: Path

    @property
    def config(self) -> Path:
        """The trial's specification as JSON."""
        return self.root / "config.json"

    @property
    def log(self) -> Path:
        """What the trial printed and logged, and its traceback if it failed."""
        return self.root / "log.txt"

    @property
    def checkpoint(self) -> Path:
        """Folder of both checkpoints."""
        return self.root / "checkpoint"

    @property
    def best(self) -> Path:
        """Model folder of the best epoch so far."""
        return self.checkpoint / "best"

    @property
    def last(self) -> Path:
        """Training state after the last epoch: safetensors with JSON in its header."""
        return self.checkpoint / "last.safetensors"

    @property
    def predictions(self) -> Path:
        """Probabilities on the validation views at the best epoch."""
        return self.root / "predictions.parquet"


@dataclass(frozen=True, slots=True)
class RunPaths:
    """The files of one run."""

    root: Path

    @property
    def sweep(self) -> Path:
        """The sweep as resolved at launch."""
        return self.root / "sweep.yaml"

    @property
    def provenance(self) -> Path:
        """Versions, commit, host, seeds, data fingerprint, command line."""
        return self.root / "provenance.json"

    @property
    def manifest(self) -> Path:
        """The manifest of the audit, as it was at launch."""
        return self.root / "manifest.parquet"

    @property
    def learned(self) -> Path:
        """What earlier runs taught: their trials, as far as they fit this run's space."""
        return self.root / "learned.json"

    @property
    def journal(self) -> Path:
        """Optuna's journal: the truth about every trial."""
        return self.root / "study.journal"

    @property
    def events(self) -> Path:
        """One JSON line per happening."""
        return self.root / "events.jsonl"

    @property
    def trials_table(self) -> Path:
        """One row per trial."""
        return self.root / "trials.parquet"

    @property
    def curves_table(self) -> Path:
        """One row per trial and epoch."""
        return self.root / "curves.parquet"

    @property
    def lock(self) -> Path:
        """Locked by the live driver; holds its pid and host."""
        return self.root / "lock"

    @property
    def commands(self) -> Path:
        """Folder of what is asked of the live driver."""
        return self.root / "commands"

    def command(self, name: str) -> Path:
        """Return the file of one command to the driver."""
        return self.commands / f"{name}.json"

    @property
    def executor(self) -> Path:
        """Scratch of the executor, meaningless once the driver has ended."""
        return self.root / ".tune"

    @property
    def selection(self) -> Path:
        """What was compared, by which rule, with which evidence."""
        return self.root / "selection.json"

    @property
    def best(self) -> Path:
        """Model folder of the retrained choice."""
        return self.root / "best"

    @property
    def trials(self) -> Path:
        """Folder of all trials."""
        return self.root / "trials"

    def trial(self, number: int) -> TrialPaths:
        """Return the files of trial `number`."""
        return TrialPaths(self.trials / str(number))

    def relative(self, path: Path) -> str:
        """Return a path of the run as tables and messages name it, wherever the run is moved."""
        return path.relative_to(self.root).as_posix()
