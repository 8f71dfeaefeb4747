"""Describe components and groups of voxels: stability, preferred images, categories, ROIs."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.analyses.weight_components.tables import (
    COLUMNS,
    COMPONENT,
    category_rows,
    cluster_rows,
    component_rows,
    consistency_rows,
    group_roi_rows,
    image_rows,
    preferences,
    stability_rows,
)
from pipeline.dataset.images import open_images
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import positions, read_pooled, read_result
from pipeline.results.tables import write_table
from pipeline.tables import columns
from pipeline.tables.regions import in_atlas_order, read_rois

STABILITY_COLUMNS = ("subject", "model", "principal_component")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    components: given.InputFile
    labels: given.InputFiles  # labels of each subject's images
    rois: given.InputFiles
    out: given.OutputFiles


def main() -> None:
    """Write the tables that describe components and groups."""
    arguments = Arguments.read()
    result = read_result(arguments.components)
    nsd_id, number = result["image"], result.configuration["images"]
    dataset = open_images(arguments.nsd)
    captions = dict(zip(nsd_id.tolist(), dataset.texts(nsd_id, "captions"), strict=True))
    labels = _labels(arguments.labels, nsd_id, dataset.label_levels)
    ranked = list(preferences(result))
    by_grouping = [list(g) for _, g in itertools.groupby(ranked, lambda p: p.grouping)]
    images = (row for one in ranked for row in image_rows(result, one, number, captions))
    categories = (
        row for group in by_grouping for row in category_rows(result, group, number, labels)
    )
    of_components = [one for one in ranked if one.grouping == COMPONENT]
    rois = read_rois(arguments.rois)
    stability = list(stability_rows(result))
    frames = {
        "components": pd.DataFrame(component_rows(result)),
        # with a single subject there is no row
        "component_stability": pd.DataFrame(
            stability, columns=None if stability else STABILITY_COLUMNS
        ),
        "preferred_images": pd.DataFrame(images),
        "preferred_categories": pd.DataFrame(categories),
        "label_consistency": pd.DataFrame(consistency_rows(result, of_components, labels)),
        "voxel_groups": in_atlas_order(pd.DataFrame(group_roi_rows(result, rois)), rois.values()),
        "voxel_clusters": pd.DataFrame(cluster_rows(result)),
    }
    inputs = {"components": arguments.components}
    for kind in ("labels", "rois"):
        inputs |= {f"{kind}/{path.stem}": path for path in getattr(arguments, kind)}
    provenance = make_provenance("describe_components", {}, inputs)
    for path in arguments.out:
        write_table(path, frames[path.stem], {**columns.COLUMNS, **COLUMNS}, provenance)


def _labels(
    paths: list[Path], nsd_id: np.ndarray, levels: Mapping[str, Sequence[str]]
) -> dict[str, tuple[Sequence[str], np.ndarray]]:
    images, labelled = read_pooled(paths, "shown")
    rows = positions(images, nsd_id, paths[0], "the images with scores")
    labels = read_result(paths[0], ["label"])["label"].tolist()
    column = {name: number for number, name in enumerate(labels)}
    return {
        level: (names, labelled[rows][:, [column[name] for name in names]])
        for level, names in levels.items()
    }


if __name__ == "__main__":
    run_stage(main)
