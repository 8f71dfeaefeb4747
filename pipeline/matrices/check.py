"""Checks of a dataset of matrices before a study starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.configuration.names import declared
from pipeline.dataset.kinds import IMAGES
from pipeline.dataset.split_table import read_split_table, require_images
from pipeline.dataset.stimulus_readers import TEXTS
from pipeline.errors import InputError
from pipeline.matrices.images import MatrixImages
from pipeline.matrices.regions import MatrixRegions
from pipeline.matrices.responses import MatrixResponses


def find_problems(
    folder: Path,
    subjects: Sequence[str],
    atlases: Sequence[str],
    stimuli: Sequence[str],
    split_tables: Sequence[Mapping[str, Any]] = (),
) -> list[str]:
    """Describe every problem of the files that a study reads.

    Parameters
    ----------
    stimuli : kinds of stimuli that networks of the study take
    split_tables : settings of splits by tables of the user's
    """
    problems: list[str] = []
    for check in _checks(folder, subjects, atlases, stimuli, split_tables):
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
    split_tables: Sequence[Mapping[str, Any]],
) -> Iterator[Callable[[], Any]]:
    for subject in subjects:
        yield partial(_check_subject, folder, subject, atlases)
    yield partial(_check_stimuli, folder, subjects, stimuli)
    for split in split_tables:
        yield partial(_check_split, folder, subjects, split)


def _check_subject(folder: Path, subject: str, atlases: Sequence[str]) -> None:
    MatrixResponses.open(folder, subject)
    regions = MatrixRegions.open(folder, subject)
    try:
        declared("rois", atlases, regions.known)
    except ValueError as error:
        raise InputError(f"{error}, which the tables regions.tsv in {folder} name") from None


def _check_stimuli(folder: Path, subjects: Sequence[str], stimuli: Sequence[str]) -> None:
    images = MatrixImages.open(folder)
    used = np.unique(np.concatenate([images.seen(subject) for subject in subjects]))
    if "image" in stimuli:
        images.require_pictures(used)
    for kind in stimuli:
        if kind in TEXTS:
            images.texts(used, kind)
    if unknown := [kind for kind in stimuli if kind in ("categories", "supercategories")]:
        raise InputError(
            f"{folder / IMAGES}: has no {unknown[0]}; leave out networks of labels of objects."
        )


def _check_split(folder: Path, subjects: Sequence[str], split: Mapping[str, Any]) -> None:
    images, path = MatrixImages.open(folder), Path(split["test"])
    table = read_split_table(path, split["folds"])
    seen = {subject: images.seen(subject) for subject in subjects}
    require_images(path, table, images.table.index.max() + 1, seen, split["folds"])
