"""Figures of components of weights, groups of voxels, and the images they prefer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from scipy.cluster.hierarchy import dendrogram

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
    "subject. Left: share of the weights' variance that each component explains. Right: agreement "
    "of one subject's components with those of the other subjects. Dashed lines: weights fitted "
    "after permuting the images."
)
PREFERRED = (
    "Images with the largest (+) and the smallest (−) score on each component, among images on "
    "which no model was trained."
)
CATEGORIES = (
    "Share of a component's top images (right) and bottom images (left) that contain each COCO "
    "supercategory; black ticks: share among all images; asterisks: significant difference from "
    "all other images."
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


def study_figures(tables: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
    """Yield figures of components, their preferred images and categories, and best images."""
    if "components" in tables:
        yield from _components(tables, images)
    if "best_images" in tables:
        yield from _best_images(tables["best_images"], images)


def _components(tables: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
    page, section = "controls", "Components of the encoding weights"
    drawn = explained_variance(tables["components"])
    yield StudyFigure("components", page, section, COMPONENTS, drawn)
    preferred = tables["preferred_images"]
    of_components = preferred[preferred["grouping"] == "component"]
    names = list(dict.fromkeys(of_components["name"].astype(str)))[:MOST_COMPONENTS]
    chosen = of_components[of_components["name"].astype(str).isin(names)]
    drawn = image_grid(preferred, _pictures(chosen, images), names)
    yield StudyFigure("preferred_images", page, section, PREFERRED, drawn)
    for name in names if "preferred_categories" in tables else []:
        drawn = category_profile(tables["preferred_categories"], name)
        yield StudyFigure(f"categories_component_{name}", page, section, CATEGORIES, drawn)


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
    """Draw the weights' variance by component, and how far subjects agree on components.

    Dashed lines are for weights fitted after permuting the images: what the feature space alone
    makes of noise.

    Parameters
    ----------
    components : tables/components.tsv
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.4, 3.2), layout="constrained")
    x, first = components["component"], components.iloc[0]
    left.bar(x, 100 * components["explained"], color=COLOURS[0], label="measured")
    left.plot(x, 100 * components["permuted_explained"], "--", color="#444", label="permuted")
    left.legend(frameon=False, fontsize=8)
    n_subjects, n_voxels = first["n_subjects"], first["n_voxels_per_subject"]
    tidy(left, "component", "variance of weights explained (%)")
    left.set_title(
        f"{n_subjects} subjects × {n_voxels} voxels{simulated_note(components['data'])}", fontsize=9
    )
    for colour, (measure, label) in zip(COLOURS, MEASURES.items(), strict=False):
        right.plot(x, components[measure], "o-", color=colour, markersize=3, label=label)
        right.plot(x, components[f"permuted_{measure}"], "--", color=colour, linewidth=1)
    measures = [name for key in MEASURES for name in (key, f"permuted_{key}")]
    right.set_ylim(min(0, components[measures].min(axis=None)) - 0.02, 1.02)
    tidy(right, "component", "one subject against the others")
    if components[list(MEASURES)].isna().all(axis=None):
        right.text(0.5, 0.5, "one subject only", transform=right.transAxes, ha="center")
    else:
        right.legend(frameon=False, fontsize=8, title="dashed: permuted", title_fontsize=8)
    return figure


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
    spread = sides["top"]["share"] - sides["bottom"]["share"]
    labels = spread[spread.abs() > 0].sort_values().index
    labels = labels if len(labels) else spread.index
    figure, axis = plt.subplots(figsize=(5.6, 1.0 + 0.22 * len(labels)), layout="constrained")
    y = np.arange(len(labels))
    for (side, part), sign, colour in zip(sides.items(), (1, -1), COLOURS, strict=False):
        part = part.loc[labels]
        axis.barh(y, sign * part["share"], color=colour, label=f"{side} {part['n_images'].iloc[0]}")
        base = sign * part["base_rate"]
        axis.plot(base, y, "|", color="black", markersize=9, label="all images" * (sign > 0))
        for row in np.flatnonzero(part["q"] <= LEVEL):
            # outside bar and base rate, whichever is longer
            end = sign * max(part["share"].iloc[row], part["base_rate"].iloc[row])
            axis.text(end + sign * 0.02, y[row] - 0.25, "∗", ha="center", va="center")
    axis.axvline(0, color="#444", linewidth=0.8)
    axis.set_yticks(y, labels, fontsize=8)
    axis.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
    tidy(axis, "share of images", "")
    axis.set_title(f"{grouping} {name}{simulated_note(table['data'])} (∗ q ≤ {LEVEL})", fontsize=9)
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5))
    return figure


def cluster_tree(linkage: np.ndarray, groups: pd.DataFrame, categories: pd.DataFrame) -> Figure:
    """Draw a tree of voxel clusters by the distances of their centres.

    Parameters
    ----------
    linkage : of the clusters' centres, as returned by scipy.cluster.hierarchy
    groups : tables/voxel_groups.tsv
    categories : tables/preferred_categories.tsv
    """
    names = [str(number + 1) for number in range(len(linkage) + 1)]
    labels = [_group_label(groups, categories, "cluster", name) for name in names]
    figure, axis = plt.subplots(figsize=(7.4, 1 + 0.42 * len(names)), layout="constrained")
    dendrogram(
        linkage,
        labels=labels,
        orientation="left",
        ax=axis,
        color_threshold=0,
        above_threshold_color=COLOURS[0],
    )
    axis.tick_params(axis="y", labelsize=8)
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_xlabel("distance of clusters (Ward)")
    axis.set_title(
        f"clusters of voxels by direction of weights{simulated_note(groups['data'])}", fontsize=9
    )
    return figure


def sign_tree(groups: pd.DataFrame, categories: pd.DataFrame) -> Figure:
    """Draw the tree of voxels that are split by the sign of one component after another.

    Parameters
    ----------
    groups, categories : as in `cluster_tree`
    """
    groups = groups[groups["grouping"] == "tree"].astype({"name": str})
    branches = list(dict.fromkeys(groups["name"]))
    leaves = [
        b for b in branches if not any(o != b and _parent(o, branches) == b for o in branches)
    ]
    # depth first, + above -: siblings lie beside each other
    order = sorted(leaves, key=lambda branch: branch.translate(str.maketrans("+0-", "012")))
    position = {branch: float(-row) for row, branch in enumerate(order)}
    for branch in sorted({*branches, ""} - set(position), key=len, reverse=True):
        children = [position[o] for o in branches if _parent(o, branches) == branch]
        position[branch] = float(np.mean(children)) if children else 0.0
    deepest = max(map(len, branches), default=1)
    figure, axis = plt.subplots(
        figsize=(4 + 2.2 * deepest, 1 + 0.42 * max(len(order), 2)), layout="constrained"
    )
    for branch in branches:
        parent = _parent(branch, branches)
        colour = COLOURS[0] if branch.endswith("+") else COLOURS[5]
        x = [len(parent), len(branch) - 0.6, len(branch)]
        axis.plot(x, [position[parent], position[branch], position[branch]], color=colour)
        leaf = branch in order
        text = _group_label(groups, categories, "tree", branch) if leaf else branch
        axis.text(
            *(
                len(branch) + (0.05 if leaf else -0.3),
                position[branch] + (0 if leaf else 0.12),
                text,
            ),
            va="center" if leaf else "bottom",
            fontsize=8,
        )
    axis.set_xlim(-0.1, deepest + 2.2)
    axis.set_xticks(range(1, deepest + 1), [f"component {n}" for n in range(1, deepest + 1)])
    axis.set_yticks([])
    axis.spines[["top", "right", "left"]].set_visible(False)
    axis.set_title(
        f"voxels by the signs of their projections{simulated_note(groups['data'])}", fontsize=9
    )
    return figure


def _parent(branch: str, branches: Sequence[str]) -> str:
    """Return the nearest node above; components that do not split have none."""
    above = [branch[:end] for end in range(len(branch) - 1, 0, -1)]
    return next((found for found in above if found in branches), "")


def _group_label(groups: pd.DataFrame, categories: pd.DataFrame, grouping: str, name: str) -> str:
    """Name, number of voxels, most over-represented ROI, and categories of preferred images."""
    own = groups[(groups["grouping"] == grouping) & (groups["name"].astype(str) == name)]
    everywhere = own[own["roi"] == "all"]
    parts = [f"{name} (n={everywhere['n_voxels'].sum()})"]
    rois = own[own["roi"] != "all"]
    rois = rois[rois["share"] > rois["base_rate"]]
    if len(rois):
        best = rois.loc[(rois["share"] - rois["base_rate"]).idxmax()]
        parts.append(f"{best['roi']} {best['share']:.0%}")
    chosen = (categories["grouping"] == grouping) & (categories["name"].astype(str) == name)
    found = categories[chosen & (categories["side"] == "top") & (categories["q"] <= LEVEL)]
    found = found[(found["odds_ratio"] > 1) & (found["level"] == "category")]
    parts += [", ".join(found.sort_values("p")["label"][:3])] if len(found) else []
    return " · ".join(parts)


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
        axis.set_title(f"measured rank {image.measured_rank}", fontsize=6, pad=2)
