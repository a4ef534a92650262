"""What came of a run: trial table, selection, retraining, evaluation, prediction, export."""

from analysis.evaluation import Evaluation, evaluate
from analysis.export import export
from analysis.prediction import predict, save_predictions
from analysis.retraining import planned_epochs, retrain
from analysis.selection import Selection, select
from analysis.trial_table import RunError, RunStatus, TrialTable

__all__ = [
    "Evaluation",
    "RunError",
    "RunStatus",
    "Selection",
    "TrialTable",
    "evaluate",
    "export",
    "planned_epochs",
    "predict",
    "retrain",
    "save_predictions",
    "select",
]
