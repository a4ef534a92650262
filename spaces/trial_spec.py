"""What one trial does: every choice that shapes a training run."""

from typing import Literal

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from spaces.data_spec import FROZEN
from spaces.errors import did_you_mean


class TrialSpec(BaseModel):
    """The specification of one training run; any field can be searched over instead of fixed."""

    model_config = FROZEN

    backbone: str = "custom_cnn"
    """`custom_cnn`, or the name of any timm image classifier."""
    width: int = Field(32, ge=4, le=512)
    """Channels of `custom_cnn`'s first stage; later stages have 2, 3 and 4 times as many."""
    head_width: int = Field(0, ge=0, le=4096)
    """Units of the dense layer before the classifier; 0 for none."""
    dropout: float = Field(0.0, ge=0, lt=1, examples=[0.6])
    """Probability of dropping a feature before the classifier, 0 <= dropout < 1."""
    pretrained: bool = False
    """Whether the backbone starts from timm's pretrained weights."""
    image_size: int | None = Field(None, ge=16, le=1024)
    """Side in pixels that images are resized to on the device; null for the stored size."""
    epochs: int = Field(20, ge=1)
    """Passes over the training images."""
    batch_size: int = Field(64, ge=2)
    """Images per optimiser step."""
    optimizer: Literal["adam", "adamw"] = "adam"
    """Adam, or Adam with decoupled weight decay."""
    learning_rate: float = Field(1e-3, gt=0, examples=[1e-3])
    """Highest learning rate of the schedule."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay, not applied to biases and normalisation layers."""
    schedule: Literal["plateau", "onecycle", "constant"] = "plateau"
    """Reduce-on-plateau by the objective, one-cycle over all steps, or constant."""
    plateau_patience: int = Field(3, ge=0)
    """Epochs without a better objective before `plateau` divides the learning rate by 5."""
    early_stopping: int = Field(0, ge=0)
    """Epochs without a better objective after which the trial ends; 0 for never."""
    label_smoothing: float = Field(0.0, ge=0, lt=1, examples=[0.1])
    """Probability mass spread over the other classes, 0 <= label_smoothing < 1."""
    class_weights: Literal["balanced", "none"] = "balanced"
    """Weights of the classes in the loss: inverse frequency, or all equal."""
    augment_ops: int = Field(0, ge=0, le=8)
    """RandAugment operations applied to each training image; 0 for none."""
    augment_magnitude: float = Field(9, ge=0, le=30)
    """Strength of the RandAugment operations, 0..30."""
    augment_zoom: float = Field(0.0, ge=0, le=1, examples=[0.3])
    """Training images are enlarged or shrunk by a factor of up to 1 + augment_zoom."""
    augment_erase: float = Field(0.0, ge=0, le=1, examples=[0.3])
    """A grey square covers up to this part of each training image."""
    flips: bool = True
    """Whether training images are mirrored at random, along both axes."""
    validation_views: Literal["clean", "shifts"] = "shifts"
    """Validate on the images as they are, or also under the `selection` family of shifts."""

    @field_validator("backbone")
    @classmethod
    def _backbone_is_known(cls, name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("backbones")
        if known is not None and name not in known:
            hint = did_you_mean(name, known) or "; see timm.list_models()"
            raise ValueError(f"must be custom_cnn or a timm model{hint}")
        return name
