"""What one trial does: data, augmentation, shifts, model, training loop, checkpoint."""

from trainables.backbone import BackboneError, WeightsError, backbone_names
from trainables.classifier import check_models
from trainables.model_folder import ModelFolderError, load_model, save_model
from trainables.open_source import open_source
from trainables.source import DataError
from trainables.store import open_store
from trainables.training import TrainPlan, train
from trainables.trial import TrialJob, run_trial
from trainables.trial_data import TrialData, load_trial_data

__all__ = [
    "BackboneError",
    "DataError",
    "ModelFolderError",
    "TrainPlan",
    "TrialData",
    "TrialJob",
    "WeightsError",
    "backbone_names",
    "check_models",
    "load_model",
    "load_trial_data",
    "open_source",
    "open_store",
    "run_trial",
    "save_model",
    "train",
]
