"""The product measure: R² of one joint model, split among its bands.

Another question than variance partitioning asks, which compares models: nothing is refitted, and
what two bands share is divided between them by how much each contributes to the prediction.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

OFFSET = "offset"


def split_r2(
    measured: np.ndarray, by_band: Mapping[str, np.ndarray], intercept: np.ndarray
) -> dict[str, np.ndarray]:
    """Split the test R² of a joint model among its bands.

    With y and ŷ minus the mean of the measured responses, and ŷ = Σ_b p_b + k of the bands' parts
    p_b and a constant k,

        ρ_b = Σ (2 y p_b - p_b ŷ) / Σ y²,    R² = Σ_b ρ_b + Σ (2 y k - k ŷ) / Σ y²

    (Pratt 1987; Dupré la Tour et al. 2022, NeuroImage, `himalaya.scoring.r2_score_split`). The last
    term, `offset`, is what the difference between the mean responses to training and to test images
    costs; himalaya's identity assumes it away. The terms, signed, sum to R² exactly but for
    rounding: 1e-12 of predictions in float64, 1e-5 in float32.

    Parameters
    ----------
    measured : (image, voxel); images whose response is NaN are left out
    by_band : {band: (image, voxel)}, parts of the prediction, without the intercept
    intercept : (voxel,)

    Returns
    -------
    {band: (voxel,) float64} in the order of `by_band`, then {"offset": (voxel,)}; NaN where the
    measured responses do not vary or a prediction is NaN

    Raises
    ------
    ValueError
        A band is named "offset".
    """
    if OFFSET in by_band:
        raise ValueError(f"a band cannot be named '{OFFSET}'")
    y = np.asarray(measured, dtype=np.float64)
    scored = np.isfinite(y)
    mean = np.sum(y, axis=0, where=scored) / np.maximum(scored.sum(axis=0), 1)
    size = np.sum(y**2, axis=0, where=scored)
    y = np.where(scored, y - mean, 0)
    parts = {band: np.asarray(part, dtype=np.float64) for band, part in by_band.items()}
    parts[OFFSET] = np.broadcast_to(np.asarray(intercept, dtype=np.float64) - mean, y.shape)
    total = np.where(scored, sum(parts.values()), 0)
    variation = np.sum(y**2, axis=0)
    usable = np.where(variation > 1e-12 * size, variation, np.nan)
    return {
        name: np.sum(part * (2 * y - total), axis=0, where=scored) / usable
        for name, part in parts.items()
    }
