"""The two maps of the overview: the best model, and what is unique to two feature spaces."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.configuration.settings import FSAVERAGE
from pipeline.figures.palette import space_colours
from pipeline.figures.style import MOST_ROIS
from pipeline.maps.files import bids_label
from pipeline.report.cortex import (
    SurfaceMap,
    SurfaceView,
    cortex_picture,
    find_regions,
    has_view,
    surface_panels,
)
from pipeline.report.meshes import SmallSurface, small_surface
from pipeline.report.pictures import Picture
from pipeline.report.subject_page import SubjectMaps, subject_pictures
from pipeline.tables.tables import LEAST_RELIABILITY

GroupFiles = Mapping[tuple[str, str], list[Path]]
MEAN = "desc-mean"


@dataclass(frozen=True)
class BestModels(SurfaceMap):
    """The model with the highest mean correlation over subjects, where the ceiling is high enough.

    Its `files` are those of the mean correlation of every model, in the order of `labels`, and
    then of the mean noise ceiling.
    """

    def colours(self, surface: SmallSurface) -> tuple[np.ndarray, np.ndarray]:
        """Colour the vertices by the best model."""
        layers = [surface.kept(paths) for paths in self.files]
        left, right = (
            self._coloured([best_of(np.array(parts))]) for parts in zip(*layers, strict=True)
        )
        return left, right


def best_of(values: np.ndarray) -> np.ndarray:
    """Find the number of the best model at each place, from 1; NaN where it cannot be told.

    Parameters
    ----------
    values : (model, place) correlations, and in the last row noise ceilings
    """
    known = np.isfinite(values).all(axis=0) & (values[-1] >= LEAST_RELIABILITY)
    best = 1.0 + np.argmax(np.nan_to_num(values[:-1], nan=-np.inf), axis=0)
    return np.where(known, best, np.nan)


def key_pictures(subject: SubjectMaps, group: GroupFiles) -> Iterator[Picture]:
    """Draw the maps of all subjects on fsaverage, or else of the first subject.

    Parameters
    ----------
    subject : maps of the first subject
    group : {(space, entities): files} of maps over subjects, empty if there are none
    """
    surface = small_surface(subject.anatomy, FSAVERAGE) if group else None
    view = _first_view(subject, surface) if surface else None
    if surface is None or view is None or FSAVERAGE not in subject.study.map_spaces:
        return itertools.islice(subject_pictures(subject), 2)
    return _group_pictures(subject, group, surface, view)


def _first_view(subject: SubjectMaps, surface: SmallSurface) -> SurfaceView | None:
    for view in subject.study.maps.views:
        if view != "slices" and has_view(surface, view):
            return view
    return None


def _group_pictures(
    subject: SubjectMaps, group: GroupFiles, surface: SmallSurface, view: SurfaceView
) -> Iterator[Picture]:
    study, panels = subject.study, surface_panels(surface, view)
    outlines = [one for one in subject.outlines(FSAVERAGE) if len(one.names) <= MOST_ROIS]
    regions = find_regions(surface, panels, outlines)
    note = "simulated data" if subject.index["provenance"]["simulated"] else ""
    named = view == "flat"
    of = f"mean of {len(study.subjects)} subjects on fsaverage"
    drawn = f"; lines: regions of {subject.subject}" if outlines else ""
    if len(study.models) > 1:
        names = [f"{entities}_{MEAN}" for entities in subject.models.values()]
        files = [group[FSAVERAGE, name] for name in [*names, f"stat-ceiling_{MEAN}"]]
        labels = dict(enumerate(_with_colours(subject), start=1))
        best = BestModels("Best model", files, None, labels)
        yield Picture(
            "best_model",
            "Best model",
            "Which feature space predicts responses to new images best (highest test correlation, "
            f"{of}). Grey: no voxels of the study, or responses too unreliable to tell (noise "
            f"ceiling below {LEAST_RELIABILITY}){drawn}.",
            cortex_picture([best], surface, panels, regions, named=named, note=note),
        )
    if subject.pairs:
        comparison, (spaces, _) = next(iter(subject.pairs.items()))
        scale = subject.pair_scale(spaces)
        entities = subject.unique(comparison)
        files = [group[FSAVERAGE, f"{entities[space]}_{MEAN}"] for space in spaces]
        pair = SurfaceMap("Unique variance", files, scale)
        yield Picture(
            f"{bids_label(comparison)}_unique",
            "Unique variance",
            f"What only {spaces[0]} or only {spaces[1]} predicts (unique variance, test R², {of}), "
            f"and where both have some (dark), in the colours of the square. Grey: both below "
            f"{scale.least:.2g}{drawn}.",
            cortex_picture([pair], surface, panels, regions, named=named, note=note),
        )


def _with_colours(subject: SubjectMaps) -> list[tuple[str, str]]:
    colours = space_colours(subject.study.coloured_spaces)
    return [(model, colours[model]) for model in subject.study.models]
