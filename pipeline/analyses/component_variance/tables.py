"""Correlations over voxels of projections on components with unique variance."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from scipy.stats import pearsonr, spearmanr

from encoding.variance_partitioning import COMPONENT_SEPARATOR
from pipeline.results.storage import Result, positions
from pipeline.tables.tables import roi_members, source, subject_of

FEWEST_VOXELS = 10
_OF = (
    "over the n_voxels voxels (-1 to 1) between the voxels' projections on the principal component "
    "of `model` and the unique variance of unique_space in `comparison`"
)
# descriptions of the columns that only these tables have
COLUMNS = {
    "unique_space": "feature space of the comparison whose unique variance (test R²) is taken",
    "variance_r": f"Pearson's r {_OF}",
    "variance_rank_r": f"Spearman's ρ {_OF}",
}
ROW_COLUMNS = (
    *("subject", "model", "comparison", "unique_space", "principal_component", "atlas", "roi"),
    *("n_voxels", "variance_r", "variance_rank_r", "weights", "data"),
)


def variance_rows(
    projections: Result, partition: Result, rois: pd.DataFrame
) -> Iterator[dict[str, object]]:
    """Yield one row per feature space, component and region of a subject with enough voxels.

    Parameters
    ----------
    projections : `projections` (component, voxel) of the subject
    partition : `variance` (component of variance, voxel) of a comparison in the same subject
    rois : labels of the subject's voxels; all modelled voxels are a region as well
    """
    rows = positions(
        projections["voxel"], partition["voxel"], projections.path, str(partition.path)
    )
    projected = projections["projections"][:, rows]
    variance = partition.by_label("variance")
    # of what the components are of, as well
    both = {**partition.provenance["weights"], **projections.provenance["weights"]}
    labelled = replace(partition, provenance={**partition.provenance, "weights": both})
    interpreted = projections.configuration["spaces"]
    compared = partition.configuration["spaces"]
    described = source(labelled, list(dict.fromkeys([*compared, *interpreted])))
    spaces = [name for name in variance if COMPONENT_SEPARATOR not in name]
    for (atlas, roi), inside in roi_members(rois, partition["voxel"]).items():
        for space in spaces:
            known = inside & np.isfinite(variance[space]) & np.isfinite(projected).all(axis=0)
            if known.sum() < FEWEST_VOXELS:
                continue
            for number, values in enumerate(projected, start=1):
                pair = values[known], variance[space][known]
                yield {
                    "subject": subject_of(partition),
                    "model": projections.configuration["model"],
                    "comparison": partition.configuration["comparison"],
                    "unique_space": space,
                    "principal_component": number,
                    "atlas": atlas,
                    "roi": roi,
                    "n_voxels": int(known.sum()),
                    "variance_r": float(pearsonr(*pair).statistic),
                    "variance_rank_r": float(spearmanr(*pair).statistic),
                    **described,
                }
