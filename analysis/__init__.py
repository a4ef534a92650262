"""What came of a run: trial table, selection, retraining, evaluation, prediction, export."""

from analysis.audit import Audit, audit, check_audit_folder, save_audit
from analysis.evaluation import Evaluation, evaluate
from analysis.export import export
from analysis.prediction import predict, save_predictions
from analysis.retraining import planned_epochs, retrain
from analysis.selection import Selection, select
from analysis.trial_table import RunError, RunStatus, TrialTable

__all__ = [
    "Audit",
    "Evaluation",
    "RunError",
    "RunStatus",
    "Selection",
    "TrialTable",
    "audit",
    "check_audit_folder",
    "evaluate",
    "export",
    "planned_epochs",
    "predict",
    "retrain",
    "save_audit",
    "save_predictions",
    "select",
]
