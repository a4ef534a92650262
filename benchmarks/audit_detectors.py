"""Detectors of pictures that do not belong, compared on the same descriptors.

A detector is a function from features `[N, D]` and a seed to scores `[N]`, higher for junk. All see
each distinct picture once.
"""

import warnings
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from sklearn.covariance import MinCovDet
from sklearn.decomposition import PCA
from sklearn.ensemble import IsolationForest
from sklearn.metrics import average_precision_score
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors
from sklearn.svm import OneClassSVM

from analysis.strangeness import Features, strangeness_of

Scores = NDArray[np.float64]
Labels = NDArray[np.int64]
Detector = Callable[[Features, Labels, int], Scores]

DROPPED = 0.005
"""Share of cells that may be dropped where recall is read off."""
_DIMENSIONS = 24


def _reduced(features: Features, seed: int) -> Features:
    sides = min(_DIMENSIONS, len(features) - 1)
    return PCA(sides, random_state=seed).fit_transform(features)


def isolation_forest(features: Features, labels: Labels, seed: int) -> Scores:
    """Return how few random cuts isolate each picture."""
    forest = IsolationForest(n_estimators=200, random_state=seed).fit(_reduced(features, seed))
    return -forest.score_samples(_reduced(features, seed))


def local_outlier_factor(features: Features, labels: Labels, seed: int) -> Scores:
    """Return how much thinner each place is than those of its neighbours."""
    factor = LocalOutlierFactor(n_neighbors=min(20, len(features) - 1))
    return -factor.fit(_reduced(features, seed)).negative_outlier_factor_


def nearest_neighbours(features: Features, labels: Labels, seed: int) -> Scores:
    """Return the distance to the fifth neighbour, junk among them."""
    places = _reduced(features, seed)
    return NearestNeighbors(n_neighbors=6).fit(places).kneighbors(places)[0][:, -1]


def robust_mahalanobis(features: Features, labels: Labels, seed: int) -> Scores:
    """Return the distance by the covariance of the most compact four fifths."""
    places = _reduced(features, seed)
    return MinCovDet(support_fraction=0.8, random_state=seed).fit(places).mahalanobis(places)


def one_class_svm(features: Features, labels: Labels, seed: int) -> Scores:
    """Return how far outside each picture lies of a boundary that leaves a tenth out."""
    places = _reduced(features, seed)
    return -OneClassSVM(nu=0.1).fit(places).score_samples(places)


def pca_residual(features: Features, labels: Labels, seed: int) -> Scores:
    """Return the length of what 24 main components leave out."""
    pca = PCA(min(_DIMENSIONS, len(features) - 1), random_state=seed).fit(features)
    return np.linalg.norm(features - pca.inverse_transform(pca.transform(features)), axis=1)


def gaussian_mixture(features: Features, labels: Labels, seed: int) -> Scores:
    """Return how unlikely each picture is under eight normal distributions."""
    places = _reduced(features, seed)
    # Junk would otherwise get a narrow distribution of its own, and be likely.
    mixture = GaussianMixture(8, reg_covar=1e-2 * places.var(), random_state=seed)
    return -mixture.fit(places).score_samples(places)


DETECTORS: dict[str, Detector] = {
    "isolation forest": isolation_forest,
    "local outlier factor": local_outlier_factor,
    "fifth neighbour": nearest_neighbours,
    "robust Mahalanobis": robust_mahalanobis,
    "one-class SVM": one_class_svm,
    "PCA residual": pca_residual,
    "Gaussian mixture": gaussian_mixture,
    "forward neighbours (ours)": strangeness_of,
}


def by_class(detector: Detector) -> Detector:
    """Return the detector that is asked of each class apart; scores are divided by medians."""

    def detect(features: Features, labels: Labels, seed: int) -> Scores:
        scores = np.zeros(len(features))
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            found = detector(features[rows], labels[rows], seed)
            low, middle, high = np.percentile(found, [25, 50, 75])
            scores[rows] = (found - middle) / (high - low + 1e-9)
        return scores

    return detect


def compare(
    detectors: Mapping[str, Detector], features: Features, labels: Labels, junk: NDArray[np.bool_]
) -> dict[str, tuple[float, float]]:
    """Return average precision, and recall where 0.5 % of the cells are dropped, of each."""
    results = {}
    for name, detector in detectors.items():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of covariances that are not of full rank
            scores = detector(features, labels, 0)
        cut = np.quantile(scores[~junk], 1 - DROPPED)
        results[name] = (
            float(average_precision_score(junk, scores)),
            float((scores[junk] > cut).mean()),
        )
    return results
