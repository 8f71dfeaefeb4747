"""Split a subject's images into test images and inner folds of training images."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd

from encoding.splits import (
    cluster_images,
    draw_images,
    held_out_clusters,
    inner_folds,
    listed_folds,
    match_sizes,
    nearest_training,
    random_test,
)
from pipeline.dataset.images import open_images
from pipeline.dataset.split_table import FEWEST_TEST_IMAGES, is_table, read_split_table
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, positions, read_pooled, read_result
from pipeline.results.tables import write_table

COLUMNS = {
    "nsd_id": "0-based index of the image",
    "set": "train, or test",
    "fold": "inner fold in which a training image validates; -1 for test images",
    "cluster": "cluster of images that test or train, and validate, together; -1 if none do",
    "block": "cluster of images that are alike in a feature space, which `resample: clusters` "
    "draws together; -1 without a space",
    "nearest_training": "correlation of a test image with the training image that is most like it "
    "in that space; n/a for training images and without a space",
}


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    subjects: Annotated[list[str], given.Setting("testing_subjects.{variant}")]  # or none
    responses: given.InputFile
    features: given.InputFiles  # of each subject, in which images are alike
    labels: given.InputFiles  # of images, to choose subsets by
    configuration: Annotated[dict[str, Any], given.Setting("split_of.{variant}")]
    variant: given.Wildcard
    selection: Annotated[dict[str, Any], given.Setting("image_selection.{variant}")]
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    settings = arguments.configuration
    nsd_id = read_result(arguments.responses, ["image"])["image"]
    inputs = {"responses": arguments.responses}
    table = _read_table(settings, nsd_id, inputs)
    cluster = block = np.full(len(nsd_id), -1)
    nearest = np.full(len(nsd_id), np.nan, np.float32)
    try:
        space = _clusters(arguments, nsd_id, inputs) if settings["space"] else None
        if space is not None:
            block = space.clusters[space.rows]
        if space is not None and settings["test"] == "clusters":
            cluster = block
            held_out = held_out_clusters(
                space.clusters, settings["test_fraction"], settings["seed"]
            )
            test = held_out[space.rows]
        elif table is not None:
            test = (table["set"] == "test").to_numpy()
        elif settings["test"] == "random":
            test = random_test(len(nsd_id), settings["test_fraction"], settings["seed"])
        else:
            test = np.isin(nsd_id, _shared(arguments))
        listed = np.ones(len(nsd_id), bool) if table is None else table["set"].notna().to_numpy()
        kept = _selected(nsd_id, test, listed, arguments, inputs)
        if space is not None:
            nearest[kept] = nearest_training(space.features[space.rows][kept], test[kept])
        nsd_id, test, cluster = nsd_id[kept], test[kept], cluster[kept]
        fold = np.full(len(nsd_id), -1)
        if table is not None and "fold" in table:
            fold[~test] = _listed_folds(table["fold"].to_numpy()[kept][~test], settings["folds"])
        else:
            groups = cluster[~test] if settings["test"] == "clusters" else None
            fold[~test] = _folds(int(np.count_nonzero(~test)), groups, settings)
    except ValueError as error:
        raise InputError(
            f"splits: {error}; {arguments.subject} saw too few for variant {arguments.variant}"
        ) from None
    if np.count_nonzero(test) < FEWEST_TEST_IMAGES:
        raise InputError(
            f"splits.test: {arguments.subject} saw fewer than {FEWEST_TEST_IMAGES} images of "
            f"{settings['test']} in variant {arguments.variant}: nothing to test on"
        )
    columns = {
        "set": np.where(test, "test", "train"),
        "fold": fold,
        "cluster": cluster,
        "block": block[kept],
        "nearest_training": nearest[kept],
    }
    taken = {
        "test": settings["test"],
        "n_train": int(np.count_nonzero(~test)),
        "n_test": int(np.count_nonzero(test)),
        "folds": "table" if table is not None and "fold" in table else settings["fold_order"],
    }
    provenance = make_provenance(
        "split_images",
        {
            "subject": arguments.subject,
            "variant": arguments.variant,
            **settings,
            **arguments.selection,
        },
        inputs,
        seed=settings["seed"],
        selected={arguments.subject: {"images": {arguments.variant: taken}}},
    )
    split = pd.DataFrame({"nsd_id": nsd_id, **columns})
    write_table(arguments.out, split, COLUMNS, provenance)


def _folds(n_train: int, groups: np.ndarray | None, settings: dict[str, Any]) -> np.ndarray:
    if settings["fold_order"] == "listed":
        return listed_folds(n_train, settings["folds"])
    return inner_folds(n_train, settings["folds"], settings["seed"], groups)


def _listed_folds(fold: np.ndarray, n_folds: int) -> np.ndarray:
    """Return the folds (image,) of a table as integers; raise ValueError if one has no image."""
    if len(np.unique(fold)) < n_folds:
        raise ValueError(f"{n_folds} folds need training images in each fold of the table")
    return fold.astype(np.int64)


def _read_table(
    settings: dict[str, Any], nsd_id: np.ndarray, inputs: dict[str, Path]
) -> pd.DataFrame | None:
    """Read the rows of a user's table for images (image,), empty for those not listed, if any."""
    if not is_table(settings["test"]):
        return None
    inputs["table"] = Path(settings["test"])
    return read_split_table(inputs["table"], settings["folds"]).reindex(nsd_id)


def _selected(
    nsd_id: np.ndarray,
    test: np.ndarray,
    listed: np.ndarray,
    arguments: Arguments,
    inputs: dict[str, Path],
) -> np.ndarray:
    """Return (image,) bool, the images of a variant among those that the split lists."""
    selection, kept = arguments.selection, listed
    seed = arguments.configuration["seed"] + selection["draw"]
    if selection["subset"] is not None:
        (inputs["labels"],) = arguments.labels
        labels = read_result(inputs["labels"]).ordered("image", nsd_id, arguments.responses)
        kept = _members(selection["subset"], labels) & listed
        others = [_members(subset, labels) & listed for subset in selection["matched"]]
        kept = match_sizes(kept, others, test, seed) if others else kept
    if selection["training_images"] is not None:
        kept = kept & (test | draw_images(kept & ~test, selection["training_images"], seed))
    return kept


def _members(subset: dict[str, Any], labels: Result) -> np.ndarray:
    present = labels.data["shown"].sel(label=subset["category"]).values
    return (present == 1) == subset["present"]


def _shared(arguments: Arguments) -> np.ndarray:
    """Return shared images: all, or those that every subject saw as often as planned."""
    images = open_images(arguments.nsd)
    if arguments.configuration["test"] == "shared1000":
        return images.shared()
    return images.shared_by(arguments.subjects, arguments.configuration["sessions"])


class _Clusters(NamedTuple):
    """Features (image, feature) and clusters (image,) of all images, and a subject's rows."""

    features: np.ndarray
    clusters: np.ndarray
    rows: np.ndarray


def _clusters(arguments: Arguments, nsd_id: np.ndarray, inputs: dict[str, Path]) -> _Clusters:
    """Cluster the images of all subjects, which gives the same clusters for every subject."""
    paths, settings = arguments.features, arguments.configuration
    inputs |= {f"features/{path.parent.name}": path for path in paths}
    images, features = read_pooled(paths, "features")
    rows = positions(images, nsd_id, paths[0], str(arguments.responses))
    clusters = cluster_images(features, settings["clusters"], settings["seed"])
    return _Clusters(features, clusters, rows)


if __name__ == "__main__":
    run_stage(main)
