"""Figures of the analyses that a configuration can switch on, of their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.figures import (
    error_consistency,
    image_accuracy,
    interpretation,
    layers,
    learning_curves,
    representational_similarity,
)
from pipeline.figures.style import StudyFigure, of_roi, shown_rois
from pipeline.shown import BEST_IMAGES, MOST_COMPONENTS

PAGE = "controls"
# of an image that is drawn small: pages of hundreds stay light
PIXELS = 160
# (image, row, column, RGB) uint8 of ids (image,)
Images = Callable[[np.ndarray], np.ndarray]


def analysis_figures(tables: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
    """The figures of those analyses whose tables are there, and have rows.

    Parameters
    ----------
    tables : {name: table}
    images : reads pictures of the stimuli
    """
    found = {name: table for name, table in tables.items() if len(table)}
    if "layers" in found:
        yield _figure("layers", "Layers", LAYERS, layers.figure(found["layers"]))
    if "learning_curves" in found:
        drawn = learning_curves.figure(found["learning_curves"], tables["overtaking"])
        yield _figure("learning_curves", "Learning curves", CURVES, drawn)
    if "image_accuracy" in found:
        drawn = image_accuracy.figure(found["image_accuracy"])
        yield _figure("image_accuracy", "Identified images", ACCURACY, drawn)
    if "error_consistency" in found:
        drawn = error_consistency.figure(found["error_consistency"])
        yield _figure("error_consistency", "Identified images", CONSISTENCY, drawn)
    if "components" in found:
        yield from _components(found, images)
    if "best_images" in found:
        yield from _best_images(found["best_images"], images)
    if "representational_similarity" in found:
        drawn = representational_similarity.agreement(found["representational_similarity"])
        yield _figure("representational_similarity", "Representational similarity", ALIKE, drawn)
    if "corner_pairs" in found:
        table = found["corner_pairs"]
        for first, second in table[["first", "second"]].drop_duplicates().itertuples(index=False):
            drawn = representational_similarity.corners(table, first, second)
            name = f"corner_pairs_{first}_{second}"
            yield _figure(name, "Representational similarity", CORNERS, drawn)


LAYERS = (
    "Every layer as an encoding model of its own: test scores, and the share of voxels whose "
    "cross-validated score is best there. Thick lines are means over subjects, thin ones subjects."
)
CURVES = (
    "Scores of models on fewer training images, on the same test images. Thick lines and dots are "
    "means over subjects, where all have so many images; thin lines are subjects. Dotted: where "
    "one model overtakes another."
)
ACCURACY = (
    "Correlation of each test image's predicted with its measured pattern, and how many are "
    "identified: their own predicted pattern is the nearest of all. A dot per subject, of other "
    "brains per pair of subjects."
)
CONSISTENCY = "Cohen's κ of which test images two models, or a model and another brain, miss."
COMPONENTS = (
    "Principal components of the encoding weights of the voxels with the best reliability, as "
    "many of each subject, and how far one subject agrees with the others."
)
PREFERRED = (
    "Images with the largest and the smallest score on each component, of images that no model was "
    "trained on."
)
CATEGORIES = (
    "Categories of the top images of a component (right) against those of its bottom images "
    "(left); black: how many of all images show them."
)
BEST = "Test images with the largest predicted response of each region."
ALIKE = "How far each feature space and each region agree on which images are alike."
CORNERS = "Similarity in the brain of pairs of images on which two feature spaces (dis)agree most."


def _figure(name: str, section: str, caption: str, drawn: object) -> StudyFigure:
    return StudyFigure(name, PAGE, section, caption, drawn)


def _components(found: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
    section = "Components of the encoding weights"
    drawn = interpretation.explained_variance(found["components"])
    yield _figure("components", section, COMPONENTS, drawn)
    preferred = found["preferred_images"]
    of_components = preferred[preferred["grouping"] == "component"]
    names = list(dict.fromkeys(of_components["name"].astype(str)))[:MOST_COMPONENTS]
    shown = of_components[of_components["name"].astype(str).isin(names)]
    drawn = interpretation.image_grid(preferred, _pictures(shown, images), names)
    yield _figure("preferred_images", section, PREFERRED, drawn)
    for name in names if "preferred_categories" in found else []:
        drawn = interpretation.category_profile(found["preferred_categories"], name)
        yield _figure(f"categories_component_{name}", section, CATEGORIES, drawn)


def _best_images(table: pd.DataFrame, images: Images) -> Iterator[StudyFigure]:
    rois = shown_rois(table)
    table = pd.concat([of_roi(table, roi) for roi in rois])
    pictures = _pictures(table[table["rank"] <= BEST_IMAGES], images)
    for subject in dict.fromkeys(table["subject"]):
        drawn = interpretation.best_images(table, pictures, subject)
        yield StudyFigure(f"best_images_{subject}", subject, "Best images", BEST, drawn)


def _pictures(table: pd.DataFrame, images: Images) -> dict[int, np.ndarray]:
    wanted = np.unique(table["nsd_id"].to_numpy())
    small = [
        np.asarray(Image.fromarray(image).resize((PIXELS, PIXELS), Image.Resampling.BOX))
        for image in images(wanted)
    ]
    return dict(zip(wanted.tolist(), small, strict=True))
