"""Checks of an NSD copy before a study starts."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.configuration.settings import SHAPES, SURFACES
from pipeline.dataset.split_table import read_split_table, require_images
from pipeline.errors import InputError
from pipeline.nsd.coco import read_captions
from pipeline.nsd.design import Design, read_design, read_image_table
from pipeline.nsd.files import (
    read_mesh,
    read_morphometry,
    read_vertices,
    require_grid,
    require_sides,
)
from pipeline.nsd.instances import read_instances
from pipeline.nsd.layout import FSAVERAGE, HEMISPHERES, SYNTHETIC, NSDLayout
from pipeline.nsd.masks import select_voxels
from pipeline.nsd.rois import read_colour_table
from pipeline.nsd.spaces import ResponseSpace, open_space
from pipeline.nsd.stimuli import check_stimuli
from pipeline.nsd.synthetic.design import read_synthetic_design, read_synthetic_images
from pipeline.nsd.synthetic.stimuli import check_synthetic_stimuli
from pipeline.nsd.transforms import nearest_native_vertices, transform_checks, vertices_of


def check_tree(
    layout: NSDLayout,
    responses: Mapping[str, Mapping[str, Any]],
    atlases: list[str],
    annotations: Sequence[str],
    map_spaces: Sequence[str] = (),
    split_tables: Sequence[Mapping[str, Any]] = (),
    experiments: Sequence[str] = (),
) -> dict[str, Any]:
    """Check every file that a study needs; of large files, only the headers.

    Parameters
    ----------
    responses : {subject: section `responses` of the configuration}
    annotations : COCO's files that are needed: captions, instances
    map_spaces : spaces into which NSD's transforms bring maps
    split_tables : settings of splits by tables of the user's: `test`, the path, and `folds`
    experiments : further experiments of NSD that analyses read: nsdsynthetic

    Returns
    -------
    {subject: numbers of sessions and images}

    Raises
    ------
    InputError
        There are problems; the message lists all of them.
    """
    designs, problems = find_problems(
        layout, responses, atlases, annotations, map_spaces, split_tables, experiments
    )
    if problems:
        raise InputError("\n".join(problems))
    return {
        subject: {"sessions": design.n_sessions, "images": len(design.images)}
        for subject, design in designs.items()
    }


def find_problems(
    layout: NSDLayout,
    responses: Mapping[str, Mapping[str, Any]],
    atlases: list[str],
    annotations: Sequence[str],
    map_spaces: Sequence[str] = (),
    split_tables: Sequence[Mapping[str, Any]] = (),
    experiments: Sequence[str] = (),
) -> tuple[dict[str, Design], list[str]]:
    """Read the designs, and describe every problem; see `check_tree`."""
    problems: list[str] = []
    designs: dict[str, Design] = {}
    for subject, settings in responses.items():
        completed = _attempt(problems, partial(read_design, layout, subject))
        design = completed and _attempt(problems, partial(completed.first, settings["sessions"]))
        if design:
            designs[subject], space = design, settings["space"]
            checks: tuple[Iterable[Callable[[], Any]], ...] = (
                _subject_checks(layout, design, settings, atlases),
                [partial(_check_last_session, layout, completed, space, settings["betas"])],
                transform_checks(layout, subject, space, map_spaces),
                _picture_checks(layout, subject, space, map_spaces),
            )
            for check in itertools.chain.from_iterable(checks):
                _attempt(problems, check)
            for check in _synthetic_checks(layout, subject, settings, experiments):
                _attempt(problems, check)
    seen = [design.images for design in designs.values()]
    images = np.unique(np.concatenate(seen)) if seen else np.array([], dtype=np.int64)
    _attempt(problems, partial(check_stimuli, layout, images))
    readers = {"captions": read_captions, "instances": read_instances}
    for name in annotations if len(images) else ():
        _attempt(problems, partial(readers[name], layout, images))
    for split in split_tables if designs else ():
        _attempt(problems, partial(_check_split_table, layout, designs, split))
    return designs, list(dict.fromkeys(problems))


def _subject_checks(
    layout: NSDLayout, design: Design, settings: Mapping[str, Any], atlases: list[str]
) -> Iterator[Callable[[], Any]]:
    name, betas = settings["space"], settings["betas"]
    opened = partial(open_space, layout, design.subject, name, betas)
    try:
        space = opened()
    except InputError:
        # without its grid nothing else of the space can be checked; this reports why
        yield opened
        return
    yield from space.checks(atlases)
    for atlas in atlases:
        yield partial(read_colour_table, layout, design.subject, atlas)
    yield partial(_check_mask, space, settings)
    for session in range(1, design.n_sessions + 1):
        yield partial(space.check_session, session)


def _synthetic_checks(
    layout: NSDLayout, subject: str, settings: Mapping[str, Any], experiments: Sequence[str]
) -> Iterator[Callable[[], Any]]:
    """Check the files of NSD-synthetic, if the study reads them."""
    if SYNTHETIC not in experiments:
        return
    yield partial(read_synthetic_design, layout)
    yield partial(read_synthetic_images, layout)
    yield partial(check_synthetic_stimuli, layout, subject)
    try:
        space = open_space(layout, subject, settings["space"], settings["betas"])
    except InputError:
        # reported by the checks of the core experiment
        return
    yield partial(space.check_session, SYNTHETIC)


def _check_split_table(
    layout: NSDLayout, designs: Mapping[str, Design], split: Mapping[str, Any]
) -> None:
    """Raise unless a user's table of test images can be used for every subject."""
    path, n_folds = Path(split["test"]), split["folds"]
    table = read_split_table(path, n_folds)
    seen = {subject: design.images for subject, design in designs.items()}
    require_images(path, table, len(read_image_table(layout)), seen, n_folds)


def _check_mask(space: ResponseSpace, settings: Mapping[str, Any]) -> None:
    """Raise unless voxels meet all conditions; a recomputed ncsnr is not known yet."""
    released = settings["ncsnr"] == "released"
    select_voxels(space, settings["mask"], partial(_released_ncsnr, space) if released else None)


def _released_ncsnr(space: ResponseSpace, voxel: np.ndarray) -> np.ndarray:
    return space.read_ncsnr()[voxel]


def _picture_checks(
    layout: NSDLayout, subject: str, space: str, map_spaces: Sequence[str]
) -> Iterator[Callable[[], Any]]:
    """Check the surfaces on which maps are drawn, which only the report reads."""
    for name in (name for name in map_spaces if name in SURFACES):
        yield partial(_check_surfaces, layout, subject, space, name)


def _check_surfaces(layout: NSDLayout, subject: str, space: str, name: str) -> None:
    """Raise unless all files of a surface agree in vertices, and hemispheres lie on their sides."""
    owner = FSAVERAGE if name == FSAVERAGE else subject
    pial = []
    for hemisphere in HEMISPHERES:
        n_vertices = len(read_morphometry(layout.surface(owner, hemisphere, "sulc")))
        meshes = {
            shape: read_mesh(layout.surface(owner, hemisphere, shape), n_vertices)
            for shape in SHAPES
        }
        # inflated hemispheres lie about one centre
        pial.append(meshes["pial"][0][:, 0])
        if owner == subject:
            nearest_native_vertices(layout, subject, hemisphere, n_vertices)
        if name != space:
            path = vertices_of(layout, subject, space, name, hemisphere)
            require_grid(path, read_vertices(path).shape[:1], (n_vertices,))
    require_sides([layout.surface(owner, side, "pial") for side in HEMISPHERES], pial)


def _check_last_session(layout: NSDLayout, design: Design, name: str, betas: str) -> None:
    """Raise if there are betas of sessions without trials, which are from another release."""
    folder = layout.beta_folder(design.subject, name, betas)
    for path in sorted(folder.glob("*betas_session*")):
        number = re.search(r"betas_session(\d+)\.", path.name)
        if number and int(number[1]) > design.n_sessions:
            raise InputError(
                f"{path}: a session that is not in {layout.behaviour(design.subject)}, which ends "
                f"with session {design.n_sessions}. Fetch both again from NSD."
            )


def _attempt(problems: list[str], check: Callable[[], Any]) -> Any:
    try:
        return check()
    except InputError as error:
        problems.append(str(error))
        return None
