import numpy as np

from analysis.alignment import NUM_TURNS, turned
from analysis.spectrum import spectra
from tests.analysis.builders import smooth_pictures


def test_spectrum_stays_under_turns_and_brightness_and_differs_between_pictures():
    images = smooth_pictures(6).astype(np.float32)
    original = spectra(images)
    assert (original.shape, original.dtype) == ((6, 60), np.float32)
    for turn in range(NUM_TURNS):
        grey = [turned(images[..., channel], turn) for channel in range(3)]
        np.testing.assert_allclose(spectra(np.stack(grey, -1) * 0.5 + 9), original, atol=2e-3)
    assert np.abs(original[1:] - original[0]).max(axis=1).min() > 0.1
