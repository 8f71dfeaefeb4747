"""Comparison of recovered with planted variance."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import scipy.stats


def compare(
    perfect: Mapping[str, np.ndarray],
    oracle: Mapping[str, np.ndarray],
    recovered: Mapping[str, np.ndarray],
    group: np.ndarray,
) -> pd.DataFrame:
    """Compare recovered with planted variance per voxel group and component.

    Parameters
    ----------
    perfect, oracle, recovered : {component: (voxel,)}, partitions of a perfect fit, of an oracle
        ridge with as many images (NaN if it was not computed), and of the pipeline
    group : (voxel,) names

    Returns
    -------
    One row per group and component: means over the voxels with values in perfect and recovered, and
    in oracle if the group has any, and over these voxels the Spearman correlation of recovered with
    oracle (NaN for a constant)
    """
    rows = [
        _row(name, component, group == name, *(t[component] for t in (perfect, oracle, recovered)))
        for name in dict.fromkeys(group)
        for component in recovered
    ]
    return pd.DataFrame(rows)


def _row(name: str, component: str, inside: np.ndarray, *values: np.ndarray) -> dict[str, object]:
    perfect, oracle, recovered = values
    usable = inside & np.isfinite(perfect) & np.isfinite(recovered)
    if np.isfinite(oracle[usable]).any():
        usable &= np.isfinite(oracle)
    perfect, oracle, recovered = (v[usable] for v in values)
    varies = len(oracle) > 2 and np.ptp(oracle) > 0 and np.ptp(recovered) > 0
    return {
        "group": name,
        "component": component,
        "perfect": perfect.mean() if len(perfect) else np.nan,
        "oracle": oracle.mean() if len(oracle) else np.nan,
        "recovered": recovered.mean() if len(recovered) else np.nan,
        "spearman": scipy.stats.spearmanr(oracle, recovered).statistic if varies else np.nan,
        "n_voxels": len(recovered),
    }


def false_positives(r: np.ndarray, n_images: int, level: float = 0.05) -> float:
    """Compute the fraction of voxels with a significant correlation (one-sided, parametric).

    Parameters
    ----------
    r : (voxel,) test correlations of voxels without signal; NaN are ignored
    n_images : number of test images
    """
    r = r[np.isfinite(r)]
    t = r * np.sqrt((n_images - 2) / (1 - r**2))
    return float((scipy.stats.t.sf(t, n_images - 2) < level).mean())
