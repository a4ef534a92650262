"""A map of images: alike ones near each other, for a person to look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from trainables.picture import Pixels

MAX_MAPPED = 6000
"""Images in the map: more take longer than a minute and hide each other."""

_NUM_COMPONENTS = 50
_PERPLEXITY = 30.0
_FEWEST = 5
_THUMBNAIL_PX = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageMap:
    """Images in the plane, alike ones near each other."""

    rows: NDArray[np.int64]
    """`[n]`, rows of the manifest."""
    points: NDArray[np.float32]
    """`[n, 2]`."""


def choose_mapped(is_marked: NDArray[np.bool_], seed: int) -> NDArray[np.int64]:
    """Return indices of at most `MAX_MAPPED` images, sorted: marked ones first, then any.

    Parameters
    ----------
    is_marked : bool, [n]
    seed : int
    """
    order = np.random.default_rng(seed).permutation(len(is_marked))
    order = order[np.argsort(~is_marked[order], kind="stable")]
    return np.sort(order[:MAX_MAPPED])


def map_images(images: Pixels, seed: int) -> NDArray[np.float32] | None:
    """Return points `[n, 2]`, or None where images are too few or all alike.

    t-SNE (van der Maaten and Hinton, 2008) as scikit-learn has it, of the principal components
    of pictures at 12 x 12 pixels.

    Parameters
    ----------
    images : uint8, [n, S, S, 3]
    seed : int
    """
    if len(images) < _FEWEST:
        return None
    descriptors = np.stack([_thumbnail(image) for image in images])
    if not np.ptp(descriptors, axis=0).any():
        return None
    components = min(_NUM_COMPONENTS, *descriptors.shape)
    reduced = PCA(components, svd_solver="randomized", random_state=seed).fit_transform(descriptors)
    perplexity = min(_PERPLEXITY, (len(descriptors) - 1) / 3)
    points = TSNE(perplexity=perplexity, random_state=seed).fit_transform(reduced)
    return np.asarray(points, dtype=np.float32)


def _thumbnail(image: Pixels) -> NDArray[np.float32]:
    small = Image.fromarray(image).resize((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.BOX)
    return np.asarray(small, dtype=np.float32).ravel() / np.float32(255)
