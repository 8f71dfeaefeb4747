"""Everything about an NSD copy that can be known before long work starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from pipeline.errors import InputError
from pipeline.nsd.betas import check_session
from pipeline.nsd.coco import read_captions
from pipeline.nsd.design import Design, read_design
from pipeline.nsd.files import open_nifti, require_grid
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_colour_table, read_grid
from pipeline.nsd.stimuli import check_stimuli


def check_tree(
    layout: NSDLayout,
    subjects: list[str],
    space: str,
    betas: str,
    atlases: list[str],
    needs_captions: bool,
) -> dict[str, Any]:
    """Check every file that a study needs, by headers where files are large.

    Returns
    -------
    A summary: sessions and images per subject.

    Raises
    ------
    InputError
        Listing every problem found, not only the first.
    """
    problems: list[str] = []
    designs: dict[str, Design] = {}
    for subject in subjects:
        if design := _attempt(problems, read_design, layout, subject):
            designs[subject] = design
            for check in _subject_checks(layout, design, space, betas, atlases):
                _attempt(problems, check)
    seen = [design.images for design in designs.values()]
    images = np.unique(np.concatenate(seen)) if seen else np.array([], dtype=np.int64)
    _attempt(problems, check_stimuli, layout, images)
    if needs_captions and len(images):
        _attempt(problems, read_captions, layout, images)
    if problems:
        raise InputError("\n".join(dict.fromkeys(problems)))
    return {
        subject: {"sessions": design.n_sessions, "images": len(design.images)}
        for subject, design in designs.items()
    }


def _subject_checks(
    layout: NSDLayout, design: Design, space: str, betas: str, atlases: list[str]
) -> Iterator[Callable[[], Any]]:
    subject = design.subject
    try:
        grid = read_grid(layout, subject, space)
    except InputError as error:
        message = str(error)
        yield lambda: _raise(message)
        return
    files = [layout.ncsnr(subject, space, betas), layout.mean_image(subject, space)]
    files += [
        layout.roi(subject, space, atlas, hemisphere)
        for atlas in atlases
        for hemisphere in ("lh", "rh")
    ]
    for path in files:
        yield lambda path=path: _check_volume(path, grid.shape)
    for atlas in atlases:
        yield lambda atlas=atlas: read_colour_table(layout, subject, atlas)
    for session in range(1, design.n_sessions + 1):
        yield lambda session=session: check_session(layout, subject, session, grid, space, betas)


def _check_volume(path: Any, shape: tuple[int, ...]) -> None:
    with open_nifti(path) as image:
        require_grid(path, image.shape, shape)


def _raise(message: str) -> None:
    raise InputError(message)


def _attempt(problems: list[str], function: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except InputError as error:
        problems.append(str(error))
        return None
