"""Training images weighed by how often they were measured.

Least squares of averaged responses, weighed by the numbers of trials that were averaged, are least
squares of the single trials: they differ by the trials' spread about their averages, which no model
changes. Weights are put into the rows: with weights v of mean 1, features and responses minus their
weighted means are multiplied by √v and fitted without an intercept.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from encoding.ridge.problem import Problem, Responses


class WeighedResponses:
    """Responses minus their weighted means, times the roots of the weights; read in parts.

    Parameters
    ----------
    responses : (image, voxel); voxels that lack an image (NaN) stay NaN in all
    weights : (image,) of mean 1

    Attributes
    ----------
    mean : (voxel,) float64, the weighted means of the voxels that were read, else NaN
    """

    def __init__(self, responses: Responses, weights: np.ndarray) -> None:
        self.responses, self.weights, self.shape = responses, weights, responses.shape
        self.mean = np.full(self.shape[1], np.nan)

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        images, voxels = key
        values = np.asarray(self.responses[:, voxels])
        mean = self.weights @ values.astype(np.float64) / self.weights.sum()
        self.mean[voxels] = mean
        values = values - mean.astype(values.dtype)
        return (np.sqrt(self.weights)[:, None] * values).astype(values.dtype)[images]


class WeighedImages:
    """A problem whose images are weighed, and the intercepts of its fits.

    Parameters
    ----------
    problem : without weights; voxels that lack images must be left out (`missing="exclude"`)
    n_repeats : (image,) trials that were averaged, above 0

    Raises
    ------
    ValueError
        An image was measured in no trial, or voxels may lack images.
    """

    def __init__(self, problem: Problem, n_repeats: np.ndarray) -> None:
        n_repeats = np.asarray(n_repeats, np.float64)
        if not (n_repeats > 0).all():
            raise ValueError("an image is averaged of no trial: its weight would be 0")
        if problem.options.missing != "exclude":
            raise ValueError("weighed images go with missing='exclude'")
        weights = n_repeats / n_repeats.mean()
        root = np.sqrt(weights)[:, None]
        self._means = {name: weights @ band / len(band) for name, band in problem.bands.items()}
        self._responses = WeighedResponses(problem.responses, weights)
        self.problem = replace(
            problem,
            bands={
                name: (root * (band - self._means[name])).astype(band.dtype)
                for name, band in problem.bands.items()
            },
            responses=self._responses,
            options=replace(problem.options, fit_intercept=False),
        )

    def intercept(self, voxels: np.ndarray, coefficients: np.ndarray) -> np.ndarray:
        """Compute intercepts (voxel,) of fits, for features and responses without weights.

        Parameters
        ----------
        voxels : their columns in the responses
        coefficients : (feature, voxel) of a fit of `problem`, all bands one after another
        """
        means = np.concatenate([*self._means.values()])
        found = self._responses.mean[voxels] - means @ coefficients
        return found.astype(coefficients.dtype)
