"""One picture: decoding it to RGB and making it square."""

import io
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from spaces import Resize

Pixels = NDArray[np.uint8]
RawPicture = bytes | NDArray[np.generic] | None
"""An encoded file, an array of pixels, or nothing where a row holds no picture."""

# Pillow opens 16-bit PGM and some TIFF as "I", which has 32 bits.
_SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I;16N", "I")
_MAX_16_BIT = 2**16 - 1
_PIXEL_NDIMS = (2, 3)


class BadPictureError(Exception):
    """A picture that cannot be used; the message says why in a few words."""


def square_pixels(raw: RawPicture, *, size: int, resize: Resize) -> Pixels:
    """Decode a picture to `[size, size, 3]` RGB, uint8.

    Greyscale, palette and CMYK become RGB, alpha is dropped, 16-bit grey keeps its upper byte, EXIF
    orientation is applied. Resizing is bilinear with antialiasing (Pillow's `BILINEAR`).

    Raises
    ------
    BadPictureError
        Where nothing can be decoded, or there are no pixels.
    """
    if isinstance(raw, np.ndarray) and raw.shape == (size, size, 3) and raw.dtype == np.uint8:
        return np.asarray(raw, dtype=np.uint8)
    if raw is None or len(raw) == 0:
        raise BadPictureError("zero pixels" if isinstance(raw, np.ndarray) else "no bytes")
    try:
        picture = _from_array(raw) if isinstance(raw, np.ndarray) else Image.open(io.BytesIO(raw))
        if picture.width * picture.height > (Image.MAX_IMAGE_PIXELS or math.inf):
            raise BadPictureError(f"DecompressionBomb: {picture.width} x {picture.height} pixels")
        picture = _rgb(ImageOps.exif_transpose(picture))
        return np.asarray(
            picture if picture.size == (size, size) else _square(picture, size, resize)
        )
    except BadPictureError:
        raise
    except Exception as error:  # Pillow's decoders raise errors of many kinds for broken files
        raise BadPictureError(f"undecodable ({type(error).__name__})") from error


def _rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise BadPictureError("floating-point pixels")
    if picture.mode in _SIXTEEN_BIT_MODES:
        pixels = np.asarray(picture).clip(0, _MAX_16_BIT) >> 8
        picture = Image.fromarray(pixels.astype(np.uint8))
    return picture.convert("RGB")


def _from_array(pixels: NDArray[np.generic]) -> Image.Image:
    if pixels.size == 0:
        raise BadPictureError("zero pixels")
    if pixels.dtype != np.uint8 or pixels.ndim not in _PIXEL_NDIMS:
        raise BadPictureError(f"{pixels.dtype} of shape {pixels.shape}, not uint8 pixels")
    return Image.fromarray(pixels.squeeze(-1) if pixels.shape[-1:] == (1,) else pixels)


def _square(picture: Image.Image, size: int, resize: Resize) -> Image.Image:
    bilinear: Literal[Image.Resampling.BILINEAR] = Image.Resampling.BILINEAR
    if resize == "stretch":
        return picture.resize((size, size), bilinear)
    if resize == "crop":
        return ImageOps.fit(picture, (size, size), bilinear)
    scale = size / max(picture.size)
    sides = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    inside = picture.resize(sides, bilinear)
    across, down = size - inside.width, size - inside.height
    edges = ((down // 2, down - down // 2), (across // 2, across - across // 2), (0, 0))
    return Image.fromarray(np.pad(np.asarray(inside), edges, mode="edge"))
