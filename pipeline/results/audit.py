"""Checks of a finished study: no test image in training, no results of different runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.errors import InputError
from pipeline.jobs.frozen_run import look_up
from pipeline.results.integrity import ALL_CHECKSUMS, CHECKSUMS, content_hash, verify_checksum
from pipeline.results.metadata import read_metadata, verify_with_metadata
from pipeline.results.provenance import read_provenance, read_record
from pipeline.results.storage import canonical, open_result
from pipeline.results.tables import read_table

# correlation of the features of near-duplicate images
NEAR_DUPLICATE = 0.95
# of NSD
CONVENTIONS = (
    "z-scores within sessions or runs use all trials unless `zscore_trials: training` is set",
    "ncsnr is estimated from all trials, those of test images included",
)


# by which the clocks of two machines may differ
CLOCK_TOLERANCE_SECONDS = 600
# suffixes of tables and maps, which have metadata beside them
DESCRIBED = frozenset({".tsv", ".parquet", ".gz", ".gii"})
# folders and files beside results that differ between runs
NO_RESULTS = ("logs", "benchmarks", "runs", "fetch_plan.tsv", CHECKSUMS, ALL_CHECKSUMS)


def problem_of(check: Callable[[], object]) -> Iterator[str]:
    """Yield the message of an `InputError` that a check raises."""
    try:
        check()
    except InputError as error:
        yield str(error)


def audit_files(folder: Path, run: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of files below a folder of results: altered, moved, or of another run.

    Parameters
    ----------
    run : the study's run, see `read_run`
    """
    for path in result_files(folder):
        problems = list(problem_of(partial(verify, path)))
        yield from problems or audit_record(path, run)
        if path.stat().st_mtime > time.time() + CLOCK_TOLERANCE_SECONDS:
            yield (
                f"{path}: is dated {time.ctime(path.stat().st_mtime)}, which is to come: a clock "
                "jumped. Snakemake makes anew what follows from it in every run; touch the file"
            )


def audit_record(path: Path, run: Mapping[str, Any]) -> Iterator[str]:
    """Yield problems of a file that was made with other settings or code than the study's."""
    made = read_record(path)
    if made is None:
        return
    if not {"stage", "settings", "code"} <= set(made):
        yield (
            f"{path}: records neither its settings nor its code: an earlier release made it. "
            "Delete it and run snakemake again"
        )
        return
    study = {}
    try:
        study = {key: look_up(run, key) for key in made["settings"]}
    except InputError as error:
        yield f"{path}: is of another configuration: {error}. Delete it"
        return
    for key, value in made["settings"].items():
        for setting, then, now in differences(value, study[key], key):
            yield f"{path}: was made with {setting} {then}; the study has {now}"
    if made["code"] != run["stages"].get(made["stage"]):
        yield (
            f"{path}: was made by other code of {made['stage']} than the study's. Run snakemake "
            "again, or check out the release that made it"
        )


def differences(then: Any, now: Any, key: str) -> Iterator[tuple[str, str, str]]:
    """Yield (key, then, now) of each value that differs between two settings."""
    if isinstance(then, Mapping) and isinstance(now, Mapping):
        for name in sorted({*then, *now}):
            yield from differences(then.get(name), now.get(name), f"{key}.{name}")
    elif then != now:
        yield key, canonical(then), canonical(now)


def result_files(folder: Path) -> list[Path]:
    """List the files that stages wrote, without those that a killed job left incomplete."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    parts = {path: path.relative_to(folder).parts for path in found}
    return [
        path
        for path in found
        if parts[path][0] not in NO_RESULTS
        and not any(part.startswith(".") for part in parts[path])
    ]


def audit_split(path: Path) -> Iterator[str]:
    """Yield problems of a split: images in both sets or neither, or folds that do not match."""
    split = read_table(path)
    twice = split.loc[split["nsd_id"].duplicated(), "nsd_id"]
    if len(twice):
        yield f"{path}: image {twice.iloc[0]} is listed twice, {len(twice)} images in all"
    if strange := sorted(set(split["set"]) - {"train", "test"}):
        yield f"{path}: unknown set '{strange[0]}'; images train or test"
    test = split["set"] == "test"
    if not (split.loc[test, "fold"] == -1).all() or not (split.loc[~test, "fold"] >= 0).all():
        yield f"{path}: folds do not go with sets; training images alone have one"
    clusters = split.loc[split["cluster"] >= 0]
    if shared := sorted(set(clusters.loc[test, "cluster"]) & set(clusters.loc[~test, "cluster"])):
        yield f"{path}: cluster {shared[0]} is on both sides, {len(shared)} clusters in all"


def near_duplicates(path: Path) -> str | None:
    """Describe how many test images have a near duplicate in training; None without a space."""
    split = read_table(path)
    nearest = split.loc[split["set"] == "test", "nearest_training"].dropna()
    if nearest.empty:
        return None
    near = np.count_nonzero(nearest >= NEAR_DUPLICATE)
    return (
        f"{near} of {len(nearest)} test images correlate {NEAR_DUPLICATE} or more with a training "
        f"image in the split's space (largest {nearest.max():.2f})"
    )


def audit_inputs(path: Path, inputs: Mapping[str, Path]) -> Iterator[str]:
    """Yield problems of a result whose inputs have changed since it was made."""
    recorded = read_provenance(path)["inputs"]
    for name, source in inputs.items():
        if name not in recorded:
            yield f"{path}: was made without {source}"
        elif recorded[name]["sha256"] != content_hash(source):
            yield (
                f"{path}: was made from another {source} than the one that is there. One of them "
                "was altered or is of another run; delete the older one and run snakemake again"
            )


def audit_fit(path: Path, split: pd.DataFrame) -> Iterator[str]:
    """Yield problems of a fit whose test images differ from those of the split."""
    with open_result(path) as file:
        scored = file["image"][()]
    test = split.loc[split["set"] == "test", "nsd_id"].to_numpy()
    if not np.array_equal(scored, test):
        train = set(split.loc[split["set"] == "train", "nsd_id"])
        leaked = [int(image) for image in scored if image in train]
        detail = f"{len(leaked)} of them train" if leaked else "others, or in another order"
        yield f"{path}: was scored on images that are not the split's test images ({detail})"


def audit_same_voxels(paths: list[Path]) -> Iterator[str]:
    """Yield problems of fits whose voxels differ from those of the first."""
    voxels = {}
    for path in paths:
        with open_result(path) as file:
            voxels[path] = file["voxel"][()]
    for path in paths[1:]:
        if not np.array_equal(voxels[path], voxels[paths[0]]):
            yield f"{path}: has other voxels than {paths[0]}"


def audit_sides(path: Path, reference: Path) -> Iterator[str]:
    """Yield problems of a variant's split whose training and test images are not the study's."""
    split, sides = read_table(path), read_table(reference).set_index("nsd_id")["set"]
    moved = split.loc[sides.reindex(split["nsd_id"]).to_numpy() != split["set"].to_numpy()]
    if len(moved):
        yield (
            f"{path}: image {moved['nsd_id'].iloc[0]} is on another side than in {reference}, "
            f"{len(moved)} images in all"
        )


def verify(path: Path) -> None:
    """Raise if any result was altered or moved.

    Raises
    ------
    InputError
    """
    verify_checksum(path)
    if path.suffix == ".h5":
        with open_result(path):
            return
    if path.suffix == ".json":
        read_metadata(path)
    if path.suffix in DESCRIBED:
        verify_with_metadata(path)
