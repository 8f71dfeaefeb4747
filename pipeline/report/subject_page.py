"""The page of one subject: numbers, slices, surfaces, files."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from pipeline.configuration.settings import SURFACES, WHOLE, MapView
from pipeline.configuration.study import Configuration
from pipeline.dataset.anatomy import Anatomy
from pipeline.figures.colours import sequence_colours
from pipeline.figures.style import MOST_ROIS
from pipeline.maps.descriptions import described_quantities, ordered_labels
from pipeline.maps.files import INDEX, bids_label, label_colour, map_files, read_map
from pipeline.report.cortex import (
    SurfaceMap,
    SurfaceView,
    cortex_picture,
    find_regions,
    has_view,
    surface_panels,
)
from pipeline.report.html import banners, html_table, read_figures
from pipeline.report.links import page_links
from pipeline.report.meshes import SmallSurface, small_surface
from pipeline.report.pictures import Picture
from pipeline.report.surface_page import surface_page
from pipeline.report.templates import render
from pipeline.report.views import Outlines, Scale, pair_scale, volume_picture
from pipeline.results.metadata import metadata_path, read_metadata, write_text
from pipeline.stages.write_maps import THRESHOLDED

# maximum number of maps in one picture
MOST_ROWS = 6
# maps beside each other
COLUMNS: dict[SurfaceView, int] = {"flat": 2, "inflated": 1}
VIEW_TITLES: dict[SurfaceView, str] = {
    "flat": "flattened hemispheres, with cuts and without the medial wall,",
    "inflated": "inflated hemispheres",
}
PREFERRED_MODEL = "preferred model"
# the first of these surfaces that has maps is displayed
PREFERRED_SURFACES = ("nativesurface", "fsaverage")
FILE_COLUMNS = {
    "quantity": "name of the quantity that the maps display",
    "description": "description of the quantity",
    "unit": "unit of the values",
    "files": "number of files in all spaces (a surface map has two, one per hemisphere)",
}
NUMBERS = (
    *("model", "mean_r", "median_r", "mean_r2", "mean_normalised_r", "n_voxels"),
    *("n_excluded", "n_significant", "mean_ceiling", "weights"),
)


@dataclass(frozen=True)
class SubjectMaps:
    """A subject's folder of maps, and how they are displayed.

    Attributes
    ----------
    limits : {quantity: end of the colour scale, the same for all subjects}
    """

    study: Configuration
    anatomy: Anatomy
    subject: str
    folder: Path
    limits: Mapping[str, float]

    @cached_property
    def index(self) -> dict[str, Any]:
        """Content of the index file of the folder of maps."""
        return read_metadata(self.folder / INDEX)

    @cached_property
    def surface_space(self) -> str | None:
        """Space of the surface that is displayed, None if there is none."""
        spaces = self.study.map_spaces
        return next((space for space in PREFERRED_SURFACES if space in spaces), None)

    @property
    def own_space(self) -> str:
        """Space of the responses."""
        return self.study.space

    @cached_property
    def all_files(self) -> dict[tuple[str, str], list[Path]]:
        """{(space, entities): files} of every map."""
        return map_files(self.folder, self.index["maps"])

    def files(self, entities: str, space: str) -> list[Path]:
        """Return the files of one map."""
        return self.all_files[space, entities]

    def outlines(self, space: str) -> Iterator[Outlines]:
        """Yield the study's atlases, each with the regions that this subject has."""
        for atlas in self.study.rois:
            path = self.files(f"seg-{bids_label(atlas)}", space)
            present = {int(value) for part in path for value in np.unique(read_map(part))}
            every = _labels(path[0])
            names = {value: name for value, name in every.items() if value in present}
            if names:
                yield Outlines(atlas, path, every, names)

    def descriptions(self, space: str) -> Iterator[dict[str, Any]]:
        """Yield the index entry of every map in a space, once each."""
        done = set()
        for one in self.index["maps"].values():
            if one["space"] == space and one["entities"] not in done:
                done.add(one["entities"])
                yield one

    @property
    def models(self) -> dict[str, str]:
        """{title: entities} of every single model's correlation."""
        return {model: f"model-{bids_label(model)}_stat-r" for model in self.study.models}

    def unique(self, comparison: str) -> dict[str, str]:
        """{feature space: entities} of the unique variance in a comparison."""
        return {
            space: f"comparison-{bids_label(comparison)}_component-{bids_label(space)}_stat-unique"
            for space in self.study.comparisons[comparison]
        }

    @property
    def scale(self) -> Scale:
        """Colour scale of correlations."""
        return Scale(self.limits["r"], "test correlation r")

    @property
    def unique_scale(self) -> Scale:
        """Colour scale of unique variance."""
        return Scale(self.limits["unique"], "unique variance (test R²)")

    @property
    def pairs(self) -> dict[str, tuple[tuple[str, str], tuple[str, str]]]:
        """{comparison of two spaces: their names, their entities}."""
        found = {}
        for comparison, spaces in self.study.comparisons.items():
            if len(spaces) == 2:
                entities = self.unique(comparison)
                first, second = spaces
                found[comparison] = (first, second), (entities[first], entities[second])
        return found

    def pair_scale(self, names: tuple[str, str]) -> Scale:
        """Return the colour scale of two feature spaces' unique variance."""
        return pair_scale(self.study, self.limits["unique"], names)


def _labels(path: Path) -> dict[int, str]:
    """{value: name} of a map of labels."""
    return {
        int(value): name for value, name in read_metadata(metadata_path(path))["Labels"].items()
    }


def write_subject_page(
    maps: SubjectMaps, tables: Mapping[str, pd.DataFrame], figures: Path, directory: Path
) -> None:
    """Write `<subject>.html`, and its interactive views to views/<subject>/."""
    study, subject = maps.study, maps.subject
    provenance = maps.index["provenance"]
    views = directory / "views" / subject
    views.mkdir(parents=True, exist_ok=True)
    space = maps.surface_space
    surface = small_surface(maps.anatomy, space) if space else None
    if space and surface:
        write_text(views / "surface.html", _surface_page(maps, space, surface))
    drawn = _pictures(maps, surface)
    pictures = [picture.written(directory, f"views/{subject}") for picture in drawn]
    correlations = tables["correlations"].query(
        "subject == @subject and roi == 'all' and variant == @WHOLE"
    )
    page = render(
        "subject.html.j2",
        study=study.study,
        title=subject,
        file=f"{subject}.html",
        pages=page_links(study.subjects),
        banners=banners(provenance),
        numbers=html_table(correlations[[*NUMBERS]]),
        pictures=pictures,
        figures=[one for one in read_figures(figures) if one["page"] == subject],
        surface=f"views/{subject}/surface.html" if surface else None,
        folder=f"../maps/{subject}/{WHOLE}",
        n_maps=len(maps.index["maps"]),
        spaces=study.map_spaces,
        files=_file_table(maps.index),
    )
    write_text(directory / f"{subject}.html", page)


def in_parts(rows: Mapping[str, str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield rows for pictures no larger than a printed page, each with the end of its name.

    Writing a PDF takes memory in proportion to a picture's area times its number of brains.
    """
    names = [*rows]
    for start in range(0, len(names), MOST_ROWS):
        end = f"_{1 + start // MOST_ROWS}" if len(names) > MOST_ROWS else ""
        yield end, {name: rows[name] for name in names[start : start + MOST_ROWS]}


def _slices(maps: SubjectMaps) -> Iterator[Picture]:
    own, background = maps.own_space, maps.anatomy.background()
    if own in SURFACES or background is None:
        return
    outlines = next(maps.outlines(own), None)
    extent = maps.files("stat-ceiling", own)[0]
    where = "axial slices over the subject's mean functional image, left hemisphere on the left"
    for end, models in in_parts(maps.models):
        yield Picture(
            f"correlation_slices{end}",
            "Test correlation, slices",
            f"Test correlation of every single feature space, not thresholded; {where}. "
            f"{_stated(maps, 'r')}",
            volume_picture(_of(maps, models, own), background, extent, maps.scale, outlines),
        )
    for comparison in maps.study.comparisons:
        unique = maps.unique(comparison)
        left = {title: f"{entities}_{THRESHOLDED}" for title, entities in unique.items()}
        yield Picture(
            f"{comparison}_unique_slices",
            f"{comparison}, unique variance in slices",
            f"{comparison}: unique variance (test R², signed) of voxels with q ≤ 0.05; {where}. "
            f"{_stated(maps, 'unique')}",
            volume_picture(_of(maps, left, own), background, extent, maps.unique_scale, outlines),
        )
    for comparison, (names, entities) in maps.pairs.items():
        files = {comparison: [maps.files(one, own)[0] for one in entities]}
        yield Picture(
            f"{comparison}_both_slices",
            f"{comparison}, both in slices",
            f"Unique variance of {names[0]}, of {names[1]}, and of both (dark), in the colours of "
            f"the square; {_clear(maps, names)}; {where}.",
            volume_picture(files, background, extent, maps.pair_scale(names), outlines),
        )


def subject_pictures(maps: SubjectMaps) -> Iterator[Picture]:
    """Draw a subject's maps in all views of the study, one at a time, the most telling first."""
    space = maps.surface_space
    return _pictures(maps, small_surface(maps.anatomy, space) if space else None)


def _pictures(maps: SubjectMaps, surface: SmallSurface | None) -> Iterator[Picture]:
    views = maps.study.maps.views
    return itertools.chain.from_iterable(_drawn(maps, view, surface) for view in views)


def _drawn(maps: SubjectMaps, view: MapView, surface: SmallSurface | None) -> Iterator[Picture]:
    if view == "slices":
        return _slices(maps)
    if maps.surface_space is None or surface is None or not has_view(surface, view):
        return iter(())
    return _surfaces(maps, maps.surface_space, view, surface)


def _surfaces(
    maps: SubjectMaps, space: str, view: SurfaceView, surface: SmallSurface
) -> Iterator[Picture]:
    """Draw preferred models, pairs of unique variance, and correlations."""
    outlines = [one for one in maps.outlines(space) if len(one.names) <= MOST_ROIS]
    panels = surface_panels(surface, view)
    regions = find_regions(surface, panels, outlines)
    note = "simulated data" if maps.index["provenance"]["simulated"] else ""
    named = view == "flat"
    where = f"{VIEW_TITLES[view]} over sulcal depth ({space}, {surface.note})"
    if outlines:
        where += f"; outlines: {', '.join(one.atlas for one in outlines)}"
    for one in _preferences(maps, space):
        if one.title == PREFERRED_MODEL:
            yield Picture(
                f"preferred_{view}",
                f"Preferred model, {view}",
                "Which feature space predicts best, in cross-validation on the training images. No "
                "colour where responses are too unreliable to tell, or outside the modelled "
                f"voxels; {where}.",
                cortex_picture([one], surface, panels, regions, named=named, note=note),
            )
    for comparison, (names, entities) in maps.pairs.items():
        files = [maps.files(one, space) for one in entities]
        title = f"unique variance of {names[0]} and of {names[1]}"
        pair = SurfaceMap(title, files, maps.pair_scale(names))
        yield Picture(
            f"{comparison}_both_{view}",
            f"{comparison}, both, {view}",
            f"Unique variance of {names[0]}, of {names[1]}, and of both (dark), in the colours of "
            f"the square; {_clear(maps, names)}; {where}.",
            cortex_picture([pair], surface, panels, regions, named=named, note=note),
        )
    for end, models in in_parts(maps.models):
        correlations = [
            SurfaceMap(title, [maps.files(one, space)], maps.scale) for title, one in models.items()
        ]
        yield Picture(
            f"correlation_{view}{end}",
            f"Test correlation, {view}",
            f"Test correlation of every single feature space, not thresholded; {where}. "
            f"{_stated(maps, 'r')}",
            cortex_picture(correlations, surface, panels, regions, COLUMNS[view], note=note),
        )


def _of(maps: SubjectMaps, entities: Mapping[str, str], space: str) -> dict[str, list[Path]]:
    return {title: maps.files(one, space) for title, one in entities.items()}


def _stated(maps: SubjectMaps, quantity: str) -> str:
    return f"One colour scale for all subjects and maps, ±{maps.limits[quantity]:g}."


def _clear(maps: SubjectMaps, names: tuple[str, str]) -> str:
    return (
        f"colours show values, not significance; transparent where both are below "
        f"{maps.pair_scale(names).least:.2g}"
    )


def _surface_page(maps: SubjectMaps, space: str, surface: SmallSurface) -> str:
    displayed = [
        SurfaceMap(f"r: {title}{more}", [maps.files(f"{entities}{suffix}", space)], maps.scale)
        for title, entities in maps.models.items()
        for more, suffix in (("", ""), (", q ≤ 0.05", f"_{THRESHOLDED}"))
    ]
    for comparison, (names, entities) in maps.pairs.items():
        files = [maps.files(one, space) for one in entities]
        displayed.append(SurfaceMap(f"{comparison}: both", files, maps.pair_scale(names)))
    for comparison in maps.study.comparisons:
        displayed += [
            SurfaceMap(f"{comparison}: unique {name}", [maps.files(e, space)], maps.unique_scale)
            for name, e in maps.unique(comparison).items()
        ]
    bounded = Scale(maps.limits["normalisedR"], "r / √(noise ceiling)")
    displayed += [
        SurfaceMap(f"r / √ceiling: {one['name']}", [maps.files(one["entities"], space)], bounded)
        for one in maps.descriptions(space)
        if one["quantity"] == "normalisedR" and one["name"] in maps.models
    ]
    ceiling = Scale(maps.limits["ceiling"], "noise ceiling (R²)")
    displayed.append(SurfaceMap("noise ceiling", [maps.files("stat-ceiling", space)], ceiling))
    displayed += _preferences(maps, space)
    title = f"{maps.subject}, {space}"
    remarks = banners(maps.index["provenance"])
    return surface_page(title, displayed, surface, list(maps.outlines(space)), remarks)


def _preferences(maps: SubjectMaps, space: str) -> Iterator[SurfaceMap]:
    """Yield preferred models (distinct colours) and preferred layers (a colour sequence)."""
    ordered = ordered_labels()
    for one in maps.descriptions(space):
        if one["quantity"] not in ("preferredModel", *ordered):
            continue
        files = maps.files(one["entities"], space)
        names = _labels(files[0])
        if one["quantity"] == "preferredModel":
            title, colours = PREFERRED_MODEL, [label_colour(value) for value in names]
        else:
            title = f"{ordered[one['quantity']]}: {one['name']}"
            colours = sequence_colours(len(names))
        labels = dict(zip(names, zip(names.values(), colours, strict=True), strict=True))
        yield SurfaceMap(title, [files], None, labels)


def _file_table(index: Mapping[str, Any]) -> Markup:
    """Tabulate map files per quantity, in the order of `described_quantities`."""
    frame = pd.DataFrame(index["maps"].values())
    frame["quantity"] = pd.Categorical(frame["quantity"], [*described_quantities()], ordered=True)
    counted = (
        frame.groupby("quantity", observed=True)
        .agg(
            unit=("units", "first"),
            description=("description", "first"),
            files=("space", "size"),
        )
        .reset_index()
        .astype({"quantity": str})
    )
    return html_table(counted[[*FILE_COLUMNS]], FILE_COLUMNS)
