"""What a sweep is told about its images: where they are, their size, how they are split."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from spaces.problem import problems_error, wrong

FROZEN = ConfigDict(
    frozen=True, extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
)
"""Settings of every specification: immutable, no unknown keys, no guessed types, no NaN."""

Resize = Literal["crop", "stretch", "pad"]
"""How a picture becomes square: centre crop, non-uniform scaling, or padding with its edge."""


class SplitSpec(BaseModel):
    """How one set of images becomes training, validation and test images, stratified by class."""

    model_config = FROZEN

    validation: float = Field(0.125, gt=0, lt=1, examples=[0.125])
    """Fraction of the images that steer the search, 0 < validation < 1."""
    test: float = Field(0.0, ge=0, lt=1, examples=[0.2])
    """Fraction of the images that the search never sees, 0 <= test < 1."""
    seed: int = Field(0, ge=0)
    """Seed of the split; the same seed gives the same split."""
    group: str | None = None
    """Column whose equal values (a patient, a slide) never straddle the parts."""

    @model_validator(mode="after")
    def _leaves_images_to_train_on(self) -> "SplitSpec":
        if self.validation + self.test >= 1:
            rest = 1 - self.validation
            rule = f"must be below {rest:.3g} beside validation; try {rest / 2:.3g}"
            raise problems_error([wrong(["test"], self.test, rule)])
        return self


class DataSpec(BaseModel):
    """Which images a sweep learns from."""

    model_config = FROZEN

    source: str = Field(min_length=1)
    """A parquet or npz file, a folder of class folders, or a name such as `medmnist:bloodmnist`."""
    image_size: int = Field(64, ge=16, le=1024)
    """Side of the stored square images in pixels."""
    resize: Resize = "crop"
    """How a picture that is not square becomes square."""
    keep: str | None = Field(None, min_length=1)
    """The manifest of an audit: which rows are used, under which labels; all of them if null."""
    split: SplitSpec = SplitSpec()
    """How the images are split where the source brings no parts of its own."""
