"""Bytes of what is made to be looked at: maps, tables, figures, pages.

Which files there are follows the code that writes them. How large a picture, a map's value or a
table's row is was measured on the demo and on the small study of the tests.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from encoding.variance_partitioning import subsets
from pipeline.analysis_estimates import n_rois
from pipeline.configuration import Configuration
from pipeline.nsd.composite_rois import ATLAS as COMPOSITE
from pipeline.settings import GROUP_SPACES, SURFACES, WHOLE
from pipeline.shown import (
    BEST_IMAGES,
    BEST_INCHES,
    MOST_COMPONENTS,
    MOST_ROWS,
    MOST_VERTICES,
    PREFERRED_IMAGES,
    PREFERRED_INCHES,
)
from pipeline.simulation.settings import FSAVERAGE_VERTICES, NATIVE_VERTICES
from pipeline.sizes import StudySize, SubjectSize

# of a place that is compressed with where it is: of a measured value; of one of as many as there
# are permutations; of a penalty or a band weight; of a label
VALUE_BYTES, PICKED_BYTES, FEW_BYTES, LABEL_BYTES = 4.0, 1.8, 1.1, 0.3
# of means of p and q, of which many are 1
MEAN_PICKED_BYTES = 3.0
# share of voxels that a map of significant ones has
SIGNIFICANT_SHARE = 0.75
BASE64 = 4 / 3
# of a file without values, of the sidecar of each file but for its inputs, of an input named there,
# of a file in the index of a folder
VOLUME_BYTES, SURFACE_BYTES = 200, 1100
SIDECAR_BYTES, INPUT_BYTES, INDEX_BYTES = 1350, 200, 400
# rows of the tables of voxels, and what each model or component adds
MODEL_ROW_BYTES, COMPONENT_ROW_BYTES, ROW_GROUP_BYTES = 36, 17.5, 12_400
# a figure of lines and bars in all formats, as SVG, and a square inch of photographs
FIGURE_BYTES, FIGURE_SVG_BYTES = 210_000, 52_000
IMAGES_BYTES, IMAGES_SVG_BYTES = 272_000, 108_000
# pictures of brains: of a picture, of each of its rows, and how much of that a page shows again
SLICES_BYTES, SLICES_ROW_BYTES = 45_000, 50_000
SURFACES_BYTES, SURFACES_ROW_BYTES = 60_000, 190_000
# of the group: of a glass brain, and of a pair on fsaverage
GLASS_BYTES, GROUP_SURFACE_BYTES = 430_000, 240_000
SHOWN_SHARE = 0.5
# scripts of interactive pages
SLICE_VIEWER_BYTES, SLICE_VIEWER_VOXEL_BYTES = 104_000, 1.8
SURFACE_VIEWER_BYTES = 1_402_000
# of a row of a table, of a JSON beside one, of pages beside what they show, and how much longer a
# table is on a page
ROW_BYTES, TABLE_ACCOUNT_BYTES, N_TABLES = 126, 4_000, 20
OTHER_ROWS_PER_ROI = 60
# with supercategories; scenes that the simulator draws show few
LABELS_SHOWN, LABELS_DRAWN = 92, 29
SITE_BYTES, TABLE_HTML_FACTOR = 200_000, 4.5
# of a vertex, two shapes of it and its triangles; and of each map
MESH_BYTES, SHOWN_VALUE_BYTES = 37, 2


@dataclass(frozen=True)
class Maps:
    """How many maps there are in a space, by how far they can be compressed.

    Attributes
    ----------
    values : measured quantities
    significant : the same, of significant voxels alone
    picked : p and q
    few : penalties and weights of bands
    labels : ROIs, preferred models and layers
    """

    values: int
    significant: int
    picked: int
    few: int
    labels: int

    @property
    def number(self) -> int:
        return self.values + self.significant + self.picked + self.few + self.labels


def maps_of(study: Configuration, variant: str) -> Maps:
    """Which maps of a variant a subject has."""
    fits = study.fits(variant)
    models = {subset for spaces in fits.values() for subset in subsets(spaces)}
    components = sum(len(subsets(spaces)) for spaces in fits.values() if len(spaces) > 1)
    bands = sum(len(subset) for subset in models if len(subset) > 1)
    single = sum(len(subset) == 1 for subset in models)
    whole = variant == WHOLE
    projected = study.interpretation.components if whole and study.interpretation else 0
    return Maps(
        # r, R², both normalised, cross-validated R²; both ceilings
        values=5 * len(models) + components + projected + 2,
        significant=len(models) + components,
        picked=2 * (len(models) + components),
        few=len(models) + bands,
        labels=len(study.rois) + (single > 1) + 2 * len(study.layerwise) * whole,
    )


def subject_maps_bytes(study: Configuration, subject: SubjectSize, variant: str) -> float:
    """Bytes of a subject's folder of maps; variants have them in the responses' own space only."""
    maps, own = maps_of(study, variant), study.responses.space
    fits = study.fits(variant)
    inputs = 1 + 2 * len(fits) + sum(len(spaces) > 1 for spaces in fits.values())
    if variant == WHOLE:
        inputs += len(study.layerwise) + (study.interpretation is not None)
    total = _folder_bytes(maps, own, subject.voxels, inputs, interpolated=False)
    if variant == WHOLE:
        for space, places in subject.mapped.items():
            total += _folder_bytes(maps, space, places, inputs, interpolated=True)
    return total


def _folder_bytes(maps: Maps, space: str, places: int, inputs: int, *, interpolated: bool) -> float:
    """Bytes of maps in a space, their sidecars, and their part of the index."""
    # in other spaces every value is a mean of several
    picked, few = (MEAN_PICKED_BYTES, VALUE_BYTES) if interpolated else (PICKED_BYTES, FEW_BYTES)
    per_place = VALUE_BYTES * (maps.values + SIGNIFICANT_SHARE * maps.significant)
    per_place += picked * maps.picked + few * maps.few + LABEL_BYTES * maps.labels
    beside = SIDECAR_BYTES + INDEX_BYTES + INPUT_BYTES * inputs
    if space in SURFACES:
        return BASE64 * per_place * places + 2 * maps.number * (SURFACE_BYTES + beside)
    return per_place * places + maps.number * (VOLUME_BYTES + beside)


def group_maps_bytes(study: Configuration, size: StudySize) -> float:
    """Bytes of means over subjects, t, and means where t is significant."""
    if len(size.subjects) < 2:
        return 0.0
    fits = study.fits(WHOLE).values()
    models = {subset for fit in fits for subset in subsets(fit)}
    components = sum(len(subsets(fit)) for fit in fits if len(fit) > 1)
    n = 4 * len(models) + components + 1
    # the ceiling is not tested
    maps = Maps(values=2 * n - 1, significant=n - 1, picked=0, few=0, labels=0)
    subjects, total = size.subjects.values(), 0.0
    for space in study.map_spaces:
        if space in GROUP_SPACES:
            # where every subject has a value
            places = min(subject.mapped.get(space, subject.voxels) for subject in subjects)
            total += _folder_bytes(maps, space, places, len(subjects), interpolated=True)
    return total


# ---- tables


def voxel_tables_bytes(study: Configuration, subject: SubjectSize) -> float:
    """Bytes of all voxels of a subject, as Parquet."""
    total = 0.0
    for variant in study.assessed_variants:
        fits = study.fits(variant)
        models = {subset for spaces in fits.values() for subset in subsets(spaces)}
        components = sum(len(subsets(spaces)) for spaces in fits.values() if len(spaces) > 1)
        total += ROW_GROUP_BYTES * (len(models) + components)
        total += subject.voxels * MODEL_ROW_BYTES * len(models)
        total += subject.voxels * COMPONENT_ROW_BYTES * components
    return total


def tables_bytes(study: Configuration, size: StudySize) -> float:
    """Bytes of the tables of subjects, regions and models, and of the JSON beside them."""
    return N_TABLES * TABLE_ACCOUNT_BYTES + ROW_BYTES * _rows(study, size)


def _rows(study: Configuration, size: StudySize) -> int:
    rois = 1 + n_rois(study, [*study.rois, COMPOSITE])
    rows = OTHER_ROWS_PER_ROI * rois + _interpretation_rows(study, size)
    for variant in study.assessed_variants:
        fits = study.fits(variant)
        models = {subset for spaces in fits.values() for subset in subsets(spaces)}
        joint = [spaces for spaces in fits.values() if len(spaces) > 1]
        # with the joint and the stacked model, the spaces' shares and their offset
        components = sum(len(subsets(spaces)) + len(spaces) + 3 for spaces in joint)
        rows += len(size.subjects) * rois * (len(models) + components)
    return rows


def _interpretation_rows(study: Configuration, size: StudySize) -> int:
    """Images and categories that components, branches of the tree and clusters prefer."""
    settings = study.interpretation
    if settings is None:
        return 0
    branches = 2 ** (settings.tree_depth + 1) - 2
    groups = settings.components + branches + settings.clusters
    labels = LABELS_SHOWN if study.simulation is None else LABELS_DRAWN
    rois = 1 + n_rois(study, [*study.rois, COMPOSITE])
    best = len(size.subjects) * rois * settings.images
    return groups * (3 * settings.images + 2 * labels) + best


# ---- figures and pages


def figures_bytes(study: Configuration, size: StudySize) -> float:
    """Bytes of all figures, in three formats."""
    return FIGURE_BYTES * _n_figures(study) + IMAGES_BYTES * sum(_pictured(study, size))


def _n_figures(study: Configuration) -> int:
    """Figures of lines and bars."""
    similarity, interpretation = study.representational_similarity, study.interpretation
    n = 3 + 3 * len(study.contrasts) + (study.simulation is not None)
    n += bool(study.layerwise) + (study.learning_curves is not None)
    n += 2 * (study.error_consistency is not None)
    if interpretation is not None:
        n += 1 + min(MOST_COMPONENTS, interpretation.components)
    return n + (0 if similarity is None else 1 + len(similarity.corners))


def _pictured(study: Configuration, size: StudySize) -> tuple[float, float]:
    """Square inches of photographs: that components prefer, and that regions prefer."""
    settings = study.interpretation
    if settings is None:
        return 0.0, 0.0
    shown = 2 * min(MOST_COMPONENTS, settings.components) * min(PREFERRED_IMAGES, settings.images)
    rois = n_rois(study, [COMPOSITE]) or n_rois(study, study.rois)
    best = len(size.subjects) * rois * min(BEST_IMAGES, settings.images)
    return shown * PREFERRED_INCHES**2, best * BEST_INCHES**2


def report_bytes(study: Configuration, size: StudySize) -> float:
    """Bytes of all pages with what they show: figures, tables and pictures of brains."""
    total = SITE_BYTES + BASE64 * FIGURE_SVG_BYTES * (1 + _n_figures(study))
    total += BASE64 * IMAGES_SVG_BYTES * sum(_pictured(study, size))
    total += TABLE_HTML_FACTOR * ROW_BYTES * _rows(study, size)
    # in files, in the overview and on the page of contrasts
    total += (1 + 2 * SHOWN_SHARE) * _group_pictures_bytes(study, size)
    return total + sum(_subject_pages_bytes(study, subject) for subject in size.subjects.values())


def _group_pictures_bytes(study: Configuration, size: StudySize) -> float:
    if len(size.subjects) < 2:
        return 0.0
    unique = sum(len(spaces) for spaces in study.contrasts.values())
    pairs = sum(len(spaces) == 2 for spaces in study.contrasts.values())
    glass = GLASS_BYTES * unique if "MNI152" in study.map_spaces else 0
    return glass + GROUP_SURFACE_BYTES * pairs * ("fsaverage" in study.map_spaces)


def _subject_pages_bytes(study: Configuration, subject: SubjectSize) -> float:
    """Bytes of slices, surfaces to turn, and pictures of both."""
    models, pairs = len(study.models), sum(len(s) == 2 for s in study.contrasts.values())
    unique = sum(len(spaces) for spaces in study.contrasts.values())
    total = 0.0
    of_models = math.ceil(models / MOST_ROWS)
    if study.responses.space not in SURFACES:
        pictures = of_models + len(study.contrasts) + pairs
        drawn = SLICES_BYTES * pictures + SLICES_ROW_BYTES * (models + unique + pairs)
        total += drawn * (1 + SHOWN_SHARE)
        page = SLICE_VIEWER_BYTES + SLICE_VIEWER_VOXEL_BYTES * subject.grid
        total += (models + unique) * page
    surfaces = [space for space in study.map_spaces if space in SURFACES]
    if surfaces:
        drawn = SURFACES_BYTES * (of_models + pairs) + SURFACES_ROW_BYTES * (models + pairs)
        total += drawn * (1 + SHOWN_SHARE)
        vertices = _shown_vertices(study)
        layers = 3 * models + 2 * pairs + unique + 2 + len(study.layerwise) + len(study.rois)
        total += SURFACE_VIEWER_BYTES
        total += BASE64 * vertices * (MESH_BYTES + SHOWN_VALUE_BYTES * layers)
    return total


def _shown_vertices(study: Configuration) -> int:
    """Vertices of the surface that a subject's page shows."""
    if study.simulation is None:
        return 2 * MOST_VERTICES
    native = "nativesurface" in study.map_spaces
    return sum(NATIVE_VERTICES.values()) if native else 2 * FSAVERAGE_VERTICES
