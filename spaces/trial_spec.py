"""What one trial does: every choice that shapes a training run."""

from typing import Literal, get_args, get_origin

from pydantic import BaseModel, Field, ValidationInfo, field_validator

from spaces.data_spec import FROZEN
from spaces.errors import did_you_mean

TestTimeAugmentation = Literal["none", "flips", "turns", "full"]
"""Views averaged by a prediction: 1; 2 (left-right); 8 (flips and quarter turns); 16 (the 8, then
shifted a little, and zoomed a little)."""

ValidationViews = Literal["clean", "augmented", "shifts"]
"""Images as they are; and varied copies of rare classes up to balance; or and under shifts."""


class TrialSpec(BaseModel):
    """The specification of one training run; any field can be searched over instead of fixed."""

    model_config = FROZEN

    # The model.
    backbone: str = "custom_cnn"
    """`custom_cnn`, or the name of any timm image classifier."""
    width: int = Field(32, ge=4, le=512)
    """Channels of `custom_cnn`'s first stage; later stages have 2, 3 and 4 times as many."""
    stem_stride: Literal[1, 2] | None = None
    """Stride of the backbone's first convolution; null for its own. 1 keeps small images large."""
    output_stride: Literal[2, 4, 8, 16, 32] | None = None
    """Pixels per position of the last features, by dilating late stages; null for its own."""
    batch_norm_momentum: float | None = Field(None, gt=0, le=1, examples=[0.1])
    """Weight of a new batch in the running statistics; null for the backbone's own."""
    head_width: int = Field(0, ge=0, le=4096)
    """Units of each dense layer before the classifier; 0 for none."""
    head_layers: int = Field(1, ge=1, le=4)
    """Dense layers before the classifier, where `head_width` is not 0."""
    dropout: float = Field(0.0, ge=0, lt=1, examples=[0.6])
    """Probability of dropping a feature before the classifier, 0 <= dropout < 1."""
    drop_path: float = Field(0.0, ge=0, lt=1, examples=[0.2])
    """Probability of skipping the last residual block, less for earlier ones (stochastic depth)."""
    pretrained: bool = False
    """Whether the backbone starts from timm's pretrained weights."""
    weights: str | None = Field(None, min_length=1)
    """A file of weights (safetensors, or a torch state dict) or a model folder to start from."""
    image_size: int | None = Field(None, ge=16, le=1024)
    """Side in pixels that images are resized to on the device; null for the stored size."""
    tta: TestTimeAugmentation = "none"
    """Views that predictions of the trained model average; noted in its folder, not searched."""

    # The optimiser.
    epochs: int = Field(20, ge=1)
    """Passes over the training images."""
    frozen_epochs: int = Field(0, ge=0)
    """First epochs in which only the head learns; at most epochs - 1."""
    batch_size: int = Field(64, ge=2)
    """Images per optimiser step."""
    optimizer: Literal["adam", "adamw", "sgd", "lion"] = "adam"
    """Adam, AdamW (decoupled weight decay), SGD with Nesterov momentum 0.9, or Lion; `onecycle`
    moves the momentum against the rate, between 0.95 and 0.85."""
    learning_rate: float = Field(1e-3, gt=0, examples=[1e-3])
    """Highest learning rate of the schedule."""
    weight_decay: float = Field(0.0, ge=0)
    """Weight decay, not applied to biases and normalisation layers."""
    layer_decay: float = Field(1.0, gt=0, le=1, examples=[0.75])
    """Factor on the learning rate per layer group away from the head, 0 < layer_decay <= 1."""
    clip_grad: float | None = Field(None, gt=0, examples=[1.0])
    """Largest norm of a step's gradient; null for no limit."""
    schedule: Literal["plateau", "onecycle", "cosine", "constant"] = "plateau"
    """Reduce-on-plateau by the objective, one-cycle or cosine with warm-up over all steps, or
    constant."""
    warm_up: float = Field(0.05, ge=0, lt=1, examples=[0.05])
    """Fraction of all steps in which `cosine` rises from 0 to the learning rate."""
    plateau_patience: int = Field(3, ge=0)
    """Epochs without a better objective before `plateau` divides the learning rate by 5."""
    early_stopping: int = Field(0, ge=0)
    """Epochs without a better objective after which the trial ends; 0 for never."""
    ema: float = Field(0.0, ge=0, lt=1, examples=[0.99])
    """Decay per step of the average of the weights that is validated and kept; 0 for none."""

    # The loss and the balance of classes.
    loss: Literal["cross_entropy", "focal"] = "cross_entropy"
    """Cross-entropy, or focal loss, which counts what is already right for less."""
    focal_gamma: float = Field(2.0, ge=0, le=10, examples=[2.0])
    """Exponent of `focal`; 0 makes it cross-entropy."""
    label_smoothing: float = Field(0.0, ge=0, lt=1, examples=[0.1])
    """Probability mass spread evenly over all classes, 0 <= label_smoothing < 1."""
    class_weights: Literal["balanced", "effective", "none"] = "balanced"
    """Weight of a class in the loss: inverse frequency, inverse effective number, or 1."""
    sampling: Literal["natural", "balanced"] = "natural"
    """Every image once an epoch; or every class equally often, repeated images turned."""
    mixup: float = Field(0.0, ge=0, le=10, examples=[0.2])
    """Alpha of MixUp's Beta(alpha, alpha); 0 for none."""
    cutmix: float = Field(0.0, ge=0, le=10, examples=[1.0])
    """Alpha of CutMix's Beta(alpha, alpha); 0 for none. With both, each batch draws one."""

    # The augmentation of training images.
    augment_ops: int = Field(0, ge=0, le=8)
    """RandAugment operations applied to each training image; 0 for none."""
    augment_magnitude: float = Field(9, ge=0, le=30)
    """Strength of the RandAugment operations, 0..30."""
    augment_trivial: bool = False
    """TrivialAugment: one operation of random strength for each image, after RandAugment's."""
    augment_crop: float = Field(0.0, ge=0, lt=1, examples=[0.5])
    """Random resized crops leave out up to this part of the area; 0 for none."""
    augment_zoom: float = Field(0.0, ge=0, le=1, examples=[0.3])
    """Training images are enlarged or shrunk by a factor of up to 1 + augment_zoom."""
    augment_rotate: float = Field(0.0, ge=0, le=180)
    """Training images are turned by up to this many degrees, either way."""
    augment_erase: float = Field(0.0, ge=0, le=1, examples=[0.3])
    """A grey square covers up to this part of each training image."""
    augment_blur: float = Field(0.0, ge=0, le=0.1, examples=[0.02])
    """Gaussian blur of a sigma of up to this part of the width."""
    augment_noise: float = Field(0.0, ge=0, le=1, examples=[0.05])
    """Gaussian noise of a deviation of up to this, images being 0..1."""
    augment_channels: float = Field(0.0, ge=0, le=1, examples=[0.1])
    """Probability that the colour channels change places."""
    augment_solarize: float = Field(0.0, ge=0, le=1, examples=[0.1])
    """Probability that what is brighter than a random threshold is inverted."""
    augment_posterize: float = Field(0.0, ge=0, le=1, examples=[0.1])
    """Probability that only the 2 to 7 highest bits of each value are kept."""
    augment_strength: float = Field(1.0, ge=0, le=4)
    """Factor on every magnitude, range and probability above, each kept within its own bounds."""
    flips: bool = True
    """Whether training images are mirrored at random, along both axes."""

    # How it runs.
    validation_views: ValidationViews = "shifts"
    """Validate on the images as they are, also on varied copies of rare classes up to balance, or
    also under the `selection` family of shifts."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Autocast of the forward pass; auto is bfloat16 on a GPU that has it, else float32."""
    compile: bool = False
    """Whether torch.compile compiles the model: a minute at first, faster steps after that."""

    @field_validator("backbone")
    @classmethod
    def _backbone_is_known(cls, name: str, info: ValidationInfo) -> str:
        known = (info.context or {}).get("backbones")
        if known is not None and name not in known:
            hint = did_you_mean(name, known) or "; see timm.list_models()"
            raise ValueError(f"must be custom_cnn or a timm model{hint}")
        return name


def field_types(name: str) -> set[type]:
    """Return the plain types that a field of a trial takes, `None` left out."""

    def types_of(annotation: object) -> set[type]:
        parts = get_args(annotation)
        if get_origin(annotation) is Literal:
            return {type(value) for value in parts}
        if parts:
            return set().union(*(types_of(part) for part in parts))
        return {annotation} if isinstance(annotation, type) else set()

    return types_of(TrialSpec.model_fields[name].annotation) - {type(None)}
