"""Band weights that models try, each once, and which model may pick which."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np


def draw_band_weights(n_bands: int, n_samples: int, seed: int) -> np.ndarray:
    """Candidates for the band weights: equal weights, then draws from Dirichlet distributions.

    Concentrations 1 and 0.1 alternate, as in himalaya (Dupré la Tour et al. 2022, NeuroImage): a
    flat prior over the simplex, and one that favours its corners.

    Returns
    -------
    (sample, band) float64; rows sum to 1; a single row for a single band
    """
    if n_bands == 1:
        return np.ones((1, 1))
    generator = np.random.default_rng(seed)
    concentrations = [(1.0, 0.1)[row % 2] for row in range(n_samples - 1)]
    draws = [generator.dirichlet(np.full(n_bands, value)) for value in concentrations]
    weights = np.array([np.full(n_bands, 1 / n_bands), *draws])
    return weights / weights.sum(axis=1, keepdims=True)


def equal_weights(n_bands: int) -> np.ndarray:
    """Return the candidate whose penalty α Σ_b ‖w_b‖² is that of ridge on all bands concatenated.

    Returns
    -------
    (1, band) float64, ones: α then means what it means to scikit-learn's `Ridge`
    """
    return np.ones((1, n_bands))


@dataclass(frozen=True)
class CandidatePool:
    """Every candidate of every model once, over all bands, and which model may pick which.

    Attributes
    ----------
    weights : (candidate, band)
    choices : {model: indices of its candidates}
    columns : {model: indices of its bands}
    """

    weights: np.ndarray
    choices: dict[str, np.ndarray]
    columns: dict[str, list[int]]

    @classmethod
    def of(
        cls,
        bands: list[str],
        models: Mapping[str, Sequence[str]],
        candidates: Mapping[str, np.ndarray],
        inherit: bool = True,
    ) -> CandidatePool:
        """Pool the candidates of all models, each once; models inherit those of smaller models."""
        columns = {name: [bands.index(band) for band in spaces] for name, spaces in models.items()}
        rows: list[np.ndarray] = []
        own: dict[str, np.ndarray] = {}
        for name, own_columns in columns.items():
            weights = np.asarray(candidates[name], dtype=np.float64)
            _check_weights(name, weights, len(own_columns))
            start = len(rows)
            for row in weights:
                rows.append(np.zeros(len(bands)))
                rows[-1][own_columns] = row
            own[name] = np.arange(start, len(rows))
        weights, index = np.unique(np.array(rows), axis=0, return_inverse=True)
        index, choices = index.ravel(), {}
        for name, own_columns in columns.items():
            inherited = [
                index[own[other]]
                for other in models
                if inherit and other != name and set(columns[other]) <= set(own_columns)
            ]
            others = dict.fromkeys(np.concatenate([*inherited, np.arange(0)]).astype(int).tolist())
            new = [candidate for candidate in others if candidate not in index[own[name]]]
            choices[name] = np.concatenate([index[own[name]], np.array(new, dtype=int)])
        return cls(weights, choices, columns)


def _check_weights(model: str, weights: np.ndarray, n_bands: int) -> None:
    if weights.ndim != 2 or weights.shape[1] != n_bands or not len(weights):
        raise ValueError(f"{model}: band weights {weights.shape} do not fit {n_bands} bands")
    if not (weights >= 0).all() or not weights.any(axis=1).all():
        raise ValueError(f"{model}: band weights are at or above 0, and not all 0 in a candidate")
