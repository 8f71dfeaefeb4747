"""One brain's responses predicted from another's to the same images."""

from __future__ import annotations

import numpy as np

from encoding.ridge.problem import Options
from encoding.ridge.solver import fit_banded_ridge
from encoding.scaling import FeatureScaling
from encoding.splits import inner_folds

EXACT = Options(search="exact")


def predict_across(
    source: np.ndarray, target: np.ndarray, alphas: np.ndarray, n_folds: int, seed: int
) -> np.ndarray:
    """Predict every image's target responses by ridge on source responses to the other images.

    Images are parted into folds; those of a fold are predicted by a map that was fitted on the
    others, each target voxel with the penalty that inner folds of those choose. Both subjects must
    have seen the images; where subjects share few, the map is fitted on few, and noise of the
    source is noise of the prediction: it is no bound of what a model can reach.

    Parameters
    ----------
    source : (image, source voxel), finite
    target : (image, target voxel), finite
    alphas : (alpha,) candidate penalties, above 0
    n_folds : outer folds, and inner ones
    seed : of the folds

    Returns
    -------
    (image, target voxel) float32; NaN for target voxels that do not vary

    Raises
    ------
    ValueError
        Too few images for the folds, or source voxels that do not vary.
    """
    outer = inner_folds(len(source), n_folds, seed)
    predicted = np.full(target.shape, np.nan, np.float32)
    for fold in range(n_folds):
        held_out = outer == fold
        scaling = FeatureScaling.fit(source[~held_out])
        inner = inner_folds(int(np.count_nonzero(~held_out)), n_folds, seed)
        bands = {"source": scaling.transform(source[~held_out])}
        responses = np.asarray(target[~held_out], np.float32)
        fit = fit_banded_ridge(bands, responses, inner, alphas, np.ones((1, 1)), EXACT)
        predicted[held_out] = fit.predict({"source": scaling.transform(source[held_out])})
    return predicted
