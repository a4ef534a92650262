import io
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, ImageOps

from tests.trainables.builders import encoded, pictures
from trainables.picture import BadPictureError, square_pixels

PIXELS = pictures(1, size=16)[0]
RAMP16 = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
TURNED = Image.Exif()
TURNED[0x0112] = 6  # taken with the camera turned by 90 degrees


def squared(raw, size=16, resize="crop"):
    return square_pixels(raw, size=size, resize=resize)


def test_picture_of_the_right_size_comes_out_as_it_went_in():
    np.testing.assert_array_equal(squared(encoded(PIXELS)), PIXELS)
    assert squared(PIXELS) is PIXELS


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "PNG"), ("1", "PNG"), ("P", "PNG"), ("P", "GIF"), ("LA", "PNG"), ("RGBA", "PNG"),
        ("RGBA", "WEBP"), ("CMYK", "TIFF"), ("CMYK", "JPEG"), ("YCbCr", "JPEG"), ("L", "JPEG"),
    ],
)  # fmt: skip
def test_picture_of_any_mode_becomes_what_pillow_makes_rgb_of_it(mode, kind):
    file = encoded(Image.fromarray(PIXELS).convert(mode), kind, lossless=True)
    pixels = squared(file)
    expected = np.asarray(Image.open(io.BytesIO(file)).convert("RGB"))
    assert (pixels.shape, pixels.dtype) == ((16, 16, 3), np.uint8)
    np.testing.assert_array_equal(pixels, expected)


def test_picture_with_alpha_keeps_the_colours_under_it():
    pixels = np.dstack([PIXELS, np.zeros((16, 16), np.uint8)])
    np.testing.assert_array_equal(squared(encoded(pixels)), PIXELS)
    np.testing.assert_array_equal(squared(pixels), PIXELS)


@pytest.mark.parametrize("shape", [(16, 16), (16, 16, 1)])
def test_grey_array_gets_three_equal_channels(shape):
    grey = PIXELS[:, :, 0]
    np.testing.assert_array_equal(squared(grey.reshape(shape)), np.dstack([grey] * 3))


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PGM"])
def test_sixteen_bit_grey_keeps_its_upper_byte(kind):
    pgm = b"P5 16 16 65535\n" + RAMP16.astype(">u2").tobytes()
    pixels = squared(pgm if kind == "PGM" else encoded(RAMP16, kind))
    np.testing.assert_array_equal(pixels[:, :, 0].ravel(), np.arange(256))


@pytest.mark.parametrize("pixels", [PIXELS, RAMP16], ids=["rgb", "grey16"])
def test_picture_taken_with_a_turned_camera_is_turned_back(pixels):
    expected = squared(encoded(pixels)).transpose(1, 0, 2)[:, ::-1]
    np.testing.assert_array_equal(squared(encoded(pixels, exif=TURNED)), expected)


@pytest.mark.parametrize("resize", ["crop", "stretch"])
@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (33, 47), (9, 9), (1, 48)])
def test_crop_and_stretch_are_pillows_bilinear_of_the_centre_or_the_whole(shape, resize):
    picture = Image.fromarray(pictures(1, size=48)[0][: shape[0], : shape[1]])
    left, top = [(side - min(shape)) / 2 if resize == "crop" else 0 for side in picture.size]
    box = (left, top, picture.width - left, picture.height - top)
    expected = picture.resize((16, 16), Image.Resampling.BILINEAR, box=box)
    np.testing.assert_array_equal(squared(encoded(picture), 16, resize), np.asarray(expected))


def test_pad_is_pillows_bilinear_of_the_whole_between_its_repeated_edges():
    picture = Image.fromarray(pictures(1, size=32)[0][:20])
    pixels = squared(encoded(picture), 16, "pad")
    inside = np.asarray(ImageOps.contain(picture, (16, 16), Image.Resampling.BILINEAR))
    np.testing.assert_array_equal(pixels[3:13], inside)
    np.testing.assert_array_equal(pixels[:3], inside[:1].repeat(3, axis=0))
    np.testing.assert_array_equal(pixels[13:], inside[-1:].repeat(3, axis=0))
    assert squared(np.zeros((1, 100, 3), np.uint8), 16, "pad").shape == (16, 16, 3)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (None, "no bytes"),
        (b"", "no bytes"),
        (np.zeros((0, 4, 3), np.uint8), "zero pixels"),
        (np.zeros((4, 0, 3), np.uint8), "zero pixels"),
        (np.zeros((4, 4, 3)), "float64 of shape (4, 4, 3), not uint8 pixels"),
        (np.zeros(4, np.uint8), "uint8 of shape (4,), not uint8 pixels"),
        (np.zeros((4, 4, 7), np.uint8), "undecodable (TypeError)"),
        (b"no picture at all", "undecodable (UnidentifiedImageError)"),
        (encoded(PIXELS)[:-300], "undecodable (OSError)"),
        (encoded(PIXELS, "JPEG")[:200], "undecodable ("),
    ],
)
def test_picture_that_cannot_be_used_is_refused_with_the_reason(raw, reason):
    with pytest.raises(BadPictureError) as caught:
        squared(raw)
    assert str(caught.value).startswith(reason)


@pytest.mark.parametrize("limit", [200, 100])
def test_picture_of_too_many_pixels_is_refused_before_it_is_decoded(monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(BadPictureError, match="DecompressionBomb"):
        squared(encoded(PIXELS), size=8)


def test_decoding_in_threads_leaves_the_filters_of_warnings_as_they_were(monkeypatch):
    before, original = list(warnings.filters), Image.open
    inside, first_done = threading.Event(), threading.Event()
    second = threading.Thread(target=lambda: squared(encoded(PIXELS)))

    def interleaved(stream):  # the second thread enters after the first and leaves after it
        if threading.current_thread() is second:
            inside.set()
            first_done.wait(5)
        else:
            second.start()
            inside.wait(5)
        return original(stream)

    with warnings.catch_warnings():
        monkeypatch.setattr(Image, "open", interleaved)
        squared(encoded(PIXELS))
        first_done.set()
        second.join()
        after = list(warnings.filters)
    assert after == before
