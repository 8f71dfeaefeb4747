"""Figures of components of weights, groups of voxels, and the images they prefer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from pipeline.figures.style import (
    COLOURS,
    Images,
    StudyFigure,
    displayed_rois,
    rows_of_roi,
    simulated_note,
    tidy,
)

# numbers of components drawn, of images at each end of one, and of images of a region
MOST_COMPONENTS, PREFERRED_IMAGES, BEST_IMAGES = 4, 8, 6
# edge lengths of those images, inches
PREFERRED_INCHES, BEST_INCHES = 0.95, 1.1
# edge length of drawn images: pages with hundreds of them stay small
PIXELS = 160
COMPONENTS = (
    "Principal components of the encoding weights of the most reliable voxels, equally many per "
    "subject. Bars: fraction of the weights' variance that each component explains. With several "
    "subjects, right: agreement of one subject's components with those of the other subjects. "
    "Dashed lines: weights fitted after permuting the images. A component whose bar is below the "
    "line explains no more than chance would."
)
PREFERRED = (
    "Images with the largest (+) and the smallest (−) score on each component, among images on "
    "which no model was trained."
)
CATEGORIES = (
    "Fraction of a component's top images (right) and bottom images (left) that contain each COCO "
    "supercategory; black ticks: fraction among all images; asterisks: significant difference from "
    "all other images."
)
CONSISTENCY = (
    "Agreement of the COCO supercategories of a component's images: mean Jaccard index over pairs "
    "of the images with the largest (+), or the smallest (−) scores, as more images are taken. "
    "Dashed line: all images."
)
BEST = (
    "Test images with the largest predicted mean response of each region, with their rank by "
    "measured response."
)

LEVEL = 0.05
MEASURES = {
    "subspace": "leading subspaces (mean cos²)",
    "cosine": "matched components (cosine)",
    "correlation": "their image scores (r)",
}


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield figures of components, their preferred images and categories, and best images."""
    if "components" in tables:
        yield from _components(tables, images)
    if "best_images" in tables:
        yield from _best_images(tables["best_images"], images)


def _components(tables: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
    section = "Components of the encoding weights"
    drawn = explained_variance(tables["components"])
    yield StudyFigure("components", None, section, COMPONENTS, drawn)
    preferred = tables["preferred_images"]
    of_components = preferred[preferred["grouping"] == "component"]
    names = list(dict.fromkeys(of_components["name"].astype(str)))[:MOST_COMPONENTS]
    chosen = of_components[of_components["name"].astype(str).isin(names)]
    drawn = image_grid(preferred, _pictures(chosen, images), names)
    yield StudyFigure("preferred_images", None, section, PREFERRED, drawn)
    for name in names if "preferred_categories" in tables else []:
        drawn = category_profile(tables["preferred_categories"], name)
        yield StudyFigure(f"categories_component_{name}", None, section, CATEGORIES, drawn)
    if "label_consistency" in tables:
        drawn = consistency_curves(tables["label_consistency"], names)
        yield StudyFigure("label_consistency", None, section, CONSISTENCY, drawn)


def consistency_curves(table: pd.DataFrame, names: Sequence[str]) -> Figure:
    """Draw the agreement of supercategories against the number of images, for some components.

    Parameters
    ----------
    table : tables/label_consistency.tsv
    names : components to draw
    """
    table = table[table["level"] == "supercategory"]
    drawn, axes = plt.subplots(
        *(1, len(names)),
        figsize=(2.6 * len(names) + 0.6, 2.8),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axis, name in zip(axes[0], names, strict=True):
        part = table[table["name"].astype(str) == name]
        for number, (side, sign) in enumerate({"top": "+", "bottom": "−"}.items()):
            curve = part[part["side"] == side]
            axis.plot(
                *(curve["n_images"], curve["label_agreement"]),
                marker="o",
                markersize=3,
                color=COLOURS[number],
                label=f"{sign} images",
            )
        axis.axhline(part["chance_label_agreement"].iloc[0], color="black", linestyle="--")
        axis.set_xscale("log")
        numbers = sorted(set(part["n_images"]))
        axis.set_xticks(numbers, [str(number) for number in numbers])
        axis.minorticks_off()
        tidy(axis, "number of images", "agreement of supercategories" if name == names[0] else "")
        axis.set_title(f"component {name}{simulated_note(part['data'])}", loc="left", fontsize=9)
    axes[0, -1].legend(fontsize=7, frameon=False)
    drawn.suptitle(f"Components of {table['model'].iloc[0]}", fontsize=9)
    return drawn


def _best_images(table: pd.DataFrame, images: Images) -> Iterator[StudyFigure]:
    rois = displayed_rois(table)
    table = pd.concat([rows_of_roi(table, roi) for roi in rois])
    pictures = _pictures(table[table["rank"] <= BEST_IMAGES], images)
    for subject in dict.fromkeys(table["subject"]):
        drawn = best_images(table, pictures, subject)
        yield StudyFigure(f"best_images_{subject}", subject, "Best images", BEST, drawn)


def _pictures(table: pd.DataFrame, images: Images) -> dict[int, np.ndarray]:
    nsd_id = np.unique(table["nsd_id"].to_numpy())
    small = [
        np.asarray(Image.fromarray(image).resize((PIXELS, PIXELS), Image.Resampling.BOX))
        for image in images(nsd_id)
    ]
    return dict(zip(nsd_id.tolist(), small, strict=True))


def image_grid(
    table: pd.DataFrame,
    images: Mapping[int, np.ndarray],
    names: Sequence[str],
    n_images: int = PREFERRED_IMAGES,
    grouping: str = "component",
) -> Figure:
    """Draw images with the largest and smallest scores, two rows for each component or group.

    Parameters
    ----------
    table : tables/preferred_images.tsv
    images : {nsd_id: (row, column, RGB) uint8} of the images that are drawn
    names : components or groups to draw
    """
    table = table[table["grouping"] == grouping]
    figure, axes = plt.subplots(
        *(2 * len(names), n_images),
        figsize=(1 + PREFERRED_INCHES * n_images, 2 * len(names)),
        squeeze=False,
        gridspec_kw={"wspace": 0.04, "hspace": 0.04},
    )
    for axis in axes.ravel():
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    for row, (name, side) in enumerate((n, s) for n in names for s in ("top", "bottom")):
        found = table[(table["name"].astype(str) == name) & (table["side"] == side)]
        for axis, nsd_id in zip(axes[row], found.sort_values("rank")["nsd_id"], strict=False):
            axis.imshow(images[nsd_id])
        sign = "+" if side == "top" else "−"
        axes[row, 0].set_ylabel(
            f"{grouping} {name}\n{sign}", rotation=0, ha="right", va="center", fontsize=8
        )
    axes[0, 0].set_title(
        f"{table['model'].iloc[0]}: images on which no model was trained"
        f"{simulated_note(table['data'])}",
        loc="left",
        fontsize=9,
    )
    return figure


def explained_variance(components: pd.DataFrame) -> Figure:
    """Draw the weights' variance by component, and how far several subjects agree on components.

    Dashed lines are for weights fitted after permuting the images: what the feature space alone
    makes of noise.

    Parameters
    ----------
    components : tables/components.tsv
    """
    first = components.iloc[0]
    n_panels = 2 if first["n_subjects"] > 1 else 1
    figure, axes = plt.subplots(
        1, n_panels, figsize=(4.2 * n_panels, 3.2), squeeze=False, layout="constrained"
    )
    axis, x = axes[0, 0], components["principal_component"]
    axis.bar(x, 100 * components["explained"], color=COLOURS[0], label="measured")
    axis.plot(x, 100 * components["permuted_explained"], "--", color="#444", label="permuted")
    axis.legend(frameon=False, fontsize=8)
    tidy(axis, "component", "variance of weights explained (%)")
    of_subjects = f"{first['n_subjects']} subject{'s' if n_panels > 1 else ''}"
    note = f"{first['n_voxels_per_subject']} voxels{simulated_note(components['data'])}"
    axis.set_title(f"{first['model']}: {of_subjects} × {note}", fontsize=9)
    if n_panels > 1:
        _agreement(axes[0, 1], components)
    return figure


def _agreement(axis: Axes, components: pd.DataFrame) -> None:
    """Draw how far subjects agree on components."""
    x = components["principal_component"]
    for colour, (measure, label) in zip(COLOURS, MEASURES.items(), strict=False):
        axis.plot(x, components[measure], "o-", color=colour, markersize=3, label=label)
        axis.plot(x, components[f"permuted_{measure}"], "--", color=colour, linewidth=1)
    measures = [name for key in MEASURES for name in (key, f"permuted_{key}")]
    axis.set_ylim(min(0, components[measures].min(axis=None)) - 0.02, 1.02)
    tidy(axis, "component", "one subject against the others")
    axis.legend(frameon=False, fontsize=8, title="dashed: permuted", title_fontsize=8)


def category_profile(
    table: pd.DataFrame, name: str, level: str = "supercategory", grouping: str = "component"
) -> Figure:
    """Draw which labels the top (right) and the bottom images (left) of a component have.

    Parameters
    ----------
    table : tables/preferred_categories.tsv
    """
    chosen = (table["grouping"] == grouping) & (table["name"].astype(str) == name)
    table = table[chosen & (table["level"] == level)]
    sides = {side: table[table["side"] == side].set_index("label") for side in ("top", "bottom")}
    spread = sides["top"]["fraction"] - sides["bottom"]["fraction"]
    labels = spread[spread.abs() > 0].sort_values().index
    labels = labels if len(labels) else spread.index
    figure, axis = plt.subplots(figsize=(5.6, 1.0 + 0.22 * len(labels)), layout="constrained")
    y = np.arange(len(labels))
    for (side, part), sign, colour in zip(sides.items(), (1, -1), COLOURS, strict=False):
        part = part.loc[labels]
        axis.barh(
            y, sign * part["fraction"], color=colour, label=f"{side} {part['n_images'].iloc[0]}"
        )
        base = sign * part["base_rate"]
        axis.plot(base, y, "|", color="black", markersize=9, label="all images" * (sign > 0))
        for row in np.flatnonzero(part["q"] <= LEVEL):
            # outside bar and base rate, whichever is longer
            end = sign * max(part["fraction"].iloc[row], part["base_rate"].iloc[row])
            axis.text(end + sign * 0.02, y[row] - 0.25, "∗", ha="center", va="center")
    axis.axvline(0, color="#444", linewidth=0.8)
    axis.set_yticks(y, labels, fontsize=8)
    axis.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
    tidy(axis, "fraction of images", "")
    title = f"{table['model'].iloc[0]}: {grouping} {name}{simulated_note(table['data'])}"
    axis.set_title(f"{title} (∗ q ≤ {LEVEL})", fontsize=9)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def best_images(
    table: pd.DataFrame, images: Mapping[int, np.ndarray], subject: str, n_images: int = BEST_IMAGES
) -> Figure:
    """Draw the images with the largest predicted response, a row for each ROI.

    Parameters
    ----------
    table : tables/best_images.tsv, of the ROIs to draw
    images : {nsd_id: (row, column, RGB) uint8}
    """
    table = table[(table["subject"] == subject) & (table["rank"] <= n_images)]
    rois = list(dict.fromkeys(zip(table["atlas"], table["roi"], strict=True)))
    figure, axes = plt.subplots(
        *(len(rois), n_images),
        figsize=(1.4 + BEST_INCHES * n_images, 0.4 + 1.2 * len(rois)),
        squeeze=False,
        gridspec_kw={"wspace": 0.05, "hspace": 0.25},
    )
    for row, (atlas, roi) in zip(axes, rois, strict=True):
        found = table[(table["atlas"] == atlas) & (table["roi"] == roi)].sort_values("rank")
        _image_row(row, found, images)
        row[0].set_ylabel(
            f"{roi}\n{found['n_voxels'].iloc[0]} voxels", rotation=0, ha="right", fontsize=8
        )
    axes[0, 0].annotate(
        f"{subject}, {table['model'].iloc[0]}: largest predicted response of "
        f"{table['n_images'].iloc[0]} test images{simulated_note(table['data'])}",
        (0, 1.25),
        xycoords="axes fraction",
        fontsize=9,
    )
    return figure


def _image_row(row: Sequence[Axes], found: pd.DataFrame, images: Mapping[int, np.ndarray]) -> None:
    for axis in row:
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    for axis, image in zip(row, found.itertuples(), strict=False):
        axis.imshow(images[image.nsd_id])
        axis.set_title(f"measured rank {image.measured_rank}", fontsize=7, pad=2)
