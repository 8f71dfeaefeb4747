"""Correlation between subjects' maps of components."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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


@dataclass(frozen=True)
class ComponentMaps:
    """Maps of components in a space that subjects share.

    Attributes
    ----------
    place : (place,) ascending indices of the voxels or vertices with values
    values : (component, place)
    """

    place: np.ndarray
    values: np.ndarray


def agreement_rows(
    space: str, subjects: tuple[str, str], first: ComponentMaps, second: ComponentMaps
) -> Iterator[dict[str, object]]:
    """Yield one row per component; none if fewer than `FEWEST_PLACES` are in both maps.

    Parameters
    ----------
    subjects : names of the two subjects, in the order of their maps
    """
    places, *rows = np.intersect1d(first.place, second.place, True, return_indices=True)
    if len(places) < FEWEST_PLACES:
        return
    n = len(first.values)
    r = np.corrcoef(first.values[:, rows[0]], second.values[:, rows[1]])[:n, n:]
    for component in range(n):
        others = np.delete(np.abs(r[component]), component)
        yield {
            "space": space,
            "subject": subjects[0],
            "second_subject": subjects[1],
            "principal_component": component + 1,
            "n_places": len(places),
            "map_r": float(r[component, component]),
            "other_components_r": float(others.mean()),
        }
