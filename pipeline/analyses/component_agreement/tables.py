"""Correlation between subjects' maps of components."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

# voxels or vertices with a value in both subjects
FEWEST_PLACES = 10
_R = "correlation (Pearson r, -1 to 1) over the n_places voxels or vertices of "
# descriptions of the columns that only these tables have
COLUMNS = {
    "space": "space of the maps, which subjects share: fsaverage or MNI152",
    "second_subject": "subject whose map is correlated with that of `subject`",
    "n_places": "number of voxels (MNI152) or vertices (fsaverage) with a value in both maps",
    "map_r": f"{_R}the two subjects' maps of the component (projections of voxels' weights). "
    "Neighbouring voxels are alike: no test goes with it",
    "other_components_r": f"{_R}the map of `subject` with the maps of the other components of "
    "second_subject: mean absolute value over these, for comparison",
}


def agreement_rows(
    space: str, subjects: tuple[str, str], first: np.ndarray, second: np.ndarray
) -> Iterator[dict[str, object]]:
    """Yield one row per component; none if fewer than `FEWEST_PLACES` are in both maps.

    Parameters
    ----------
    subjects : names of the two subjects
    first, second : (component, place) maps, NaN where a subject has no voxel
    """
    known = np.isfinite(first).all(axis=0) & np.isfinite(second).all(axis=0)
    if (n_places := int(known.sum())) < FEWEST_PLACES:
        return
    n = len(first)
    r = np.corrcoef(first[:, known], second[:, known])[:n, n:]
    for component in range(n):
        others = np.delete(np.abs(r[component]), component)
        yield {
            "space": space,
            "subject": subjects[0],
            "second_subject": subjects[1],
            "principal_component": component + 1,
            "n_places": n_places,
            "map_r": float(r[component, component]),
            "other_components_r": float(others.mean()),
        }
