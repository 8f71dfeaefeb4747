"""Checks of a dataset of matrices before a study starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.dataset.kinds import IMAGES
from pipeline.dataset.split_table import FEWEST_TEST_IMAGES, read_split_table, require_images
from pipeline.dataset.stimulus_readers import TEXTS, read_texts
from pipeline.errors import InputError
from pipeline.matrices.images import MatrixImages
from pipeline.matrices.regions import MatrixRegions
from pipeline.matrices.responses import MatrixResponses


def find_problems(
    folder: Path,
    subjects: Sequence[str],
    atlases: Sequence[str],
    stimuli: Sequence[str],
    tests: Sequence[str] = (),
    split_tables: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Describe every problem of the files that a study reads; print what may surprise.

    Parameters
    ----------
    stimuli : kinds of stimuli that networks of the study take
    tests : `splits.test` of the study and its variants
    split_tables : settings of splits by tables of the user's
    """
    problems: list[str] = []
    for check in _checks(folder, subjects, atlases, stimuli, tests, split_tables):
        try:
            check()
        except InputError as error:
            problems.append(str(error))
    return list(dict.fromkeys(problems))


def _checks(
    folder: Path,
    subjects: Sequence[str],
    atlases: Sequence[str],
    stimuli: Sequence[str],
    tests: Sequence[str],
    split_tables: Sequence[Mapping[str, Any]],
) -> Iterator[Callable[[], Any]]:
    for subject in subjects:
        yield partial(_check_subject, folder, subject, atlases)
        if "shared1000" in tests:
            yield partial(_check_test_images, folder, subject)
    yield partial(_check_stimuli, folder, subjects, stimuli)
    for split in split_tables:
        yield partial(_check_split, folder, subjects, split)


def _check_subject(folder: Path, subject: str, atlases: Sequence[str]) -> None:
    responses, regions = MatrixResponses.open(folder, subject), MatrixRegions.open(folder, subject)
    if number := responses.incomplete():
        print(
            f"warning: {subject}: {number} of {len(responses.voxel)} voxels lack a response to "
            "some image; `encoding.missing_images` says what becomes of them"
        )
    if unknown := [atlas for atlas in atlases if atlas not in regions.known]:
        listed = ", ".join(regions.known) or "none"
        raise InputError(
            f"rois: no table regions.tsv in {folder} has the atlas {unknown[0]}; atlases are "
            f"{listed}. Correct `rois`, or write [] for no regions."
        )


def _check_test_images(folder: Path, subject: str) -> None:
    images = MatrixImages.open(folder)
    number = len(np.intersect1d(images.seen(subject), images.shared()))
    if number < FEWEST_TEST_IMAGES:
        raise InputError(
            f"{folder / IMAGES}: {subject} saw {number} images whose column shared is 1, but at "
            f"least {FEWEST_TEST_IMAGES} are needed to test. Mark more, or choose other test "
            "images by `splits: {test: random}`."
        )


def _check_stimuli(folder: Path, subjects: Sequence[str], stimuli: Sequence[str]) -> None:
    images = MatrixImages.open(folder)
    # networks also run on shared images that nobody saw
    used = np.unique(np.concatenate([images.shared(), *map(images.seen, subjects)]))
    if "image" in stimuli:
        images.require_pictures(used)
    for kind in stimuli:
        if kind in TEXTS:
            read_texts(images, used, kind)
    if unknown := [kind for kind in stimuli if kind in ("categories", "supercategories")]:
        raise InputError(
            f"{folder / IMAGES}: has no {unknown[0]}; leave out networks of labels of objects."
        )


def _check_split(folder: Path, subjects: Sequence[str], split: Mapping[str, Any]) -> None:
    images, path = MatrixImages.open(folder), Path(split["test"])
    table = read_split_table(path, split["folds"])
    seen = {subject: images.seen(subject) for subject in subjects}
    require_images(path, table, images.table.index.max() + 1, seen, split["folds"])
