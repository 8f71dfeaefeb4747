"""Pictures and pages of maps in slices, by nilearn."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nibabel
import numpy as np
from matplotlib.figure import Figure
from matplotlib.gridspec import SubplotSpec
from matplotlib.lines import Line2D
from nilearn import plotting
from nilearn.plotting.displays import ZSlicer

from pipeline.configuration.study import Configuration
from pipeline.figures.colours import (
    ENDS,
    SIGNED_MAP,
    STEPS,
    draw_pair_legend,
    outline_colours,
    pair_colour_map,
    pair_index,
)
from pipeline.figures.palette import space_colours
from pipeline.maps.files import read_map

SLICES = 6
# viewers treat exactly 0 as transparent
NEARLY_ZERO = 1e-6
NEITHER = (np.zeros(()), np.zeros(()))
# greys of gyri and sulci, 0 being white; maps are visible on both
LIGHT, DARK = 0.12, 0.42


@dataclass(frozen=True)
class Scale:
    """Colour scale, the same for all maps of a quantity.

    Attributes
    ----------
    limit : the scale runs from -limit to limit; for pairs, both scales from 0 to limit
    label : quantity and unit
    names : names of the two quantities of a pair, else None
    ends : their colours
    """

    limit: float
    label: str
    names: tuple[str, str] | None = None
    ends: tuple[str, str] = ENDS

    @property
    def of_pairs(self) -> bool:
        """Test whether the scale is that of a pair of quantities."""
        return self.names is not None

    def displayed(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Convert one array, or the two of a pair, to values to draw; 0 is transparent.

        For pairs the lightest shade is transparent too, as it would hide the anatomy.
        """
        if not self.of_pairs:
            return np.nan_to_num(parts[0])
        index = pair_index(parts[0], parts[1], self.limit)
        return np.where(index == pair_index(*NEITHER, self.limit), 0, index).astype(np.float32)

    @property
    def least(self) -> float:
        """Minimum value of either quantity of a pair for the pair to be drawn."""
        return self.limit / STEPS

    @property
    def drawing(self) -> dict[str, object]:
        """Arguments for nilearn's functions."""
        if self.of_pairs:
            colours = pair_colour_map(self.ends)
            return {"cmap": colours, "vmin": 0, "vmax": colours.N - 1}
        return {"cmap": SIGNED_MAP, "vmin": -self.limit, "vmax": self.limit}

    def draw_bar(self, figure: Figure, position: SubplotSpec) -> None:
        """Draw the scale beside the maps."""
        axis = figure.add_subplot(position)
        if self.names is not None:
            draw_pair_legend(axis, self.names, self.limit, self.ends)
            axis.set_title(self.label.replace(" (", "\n("), fontsize=8)
            return
        colours = plt.cm.ScalarMappable(plt.Normalize(-self.limit, self.limit), SIGNED_MAP)
        figure.colorbar(colours, cax=axis, label=self.label)


def pair_scale(study: Configuration, limit: float, names: tuple[str, str]) -> Scale:
    """Return the colour scale of two feature spaces' unique variance, in their own colours."""
    colours = space_colours(study.coloured_spaces)
    ends = colours[names[0]], colours[names[1]]
    return Scale(limit, "unique variance (test R²)", names, ends)


@dataclass(frozen=True)
class Outlines:
    """Regions whose outlines are drawn.

    Attributes
    ----------
    path : files of a map of labels
    every : {label: name} of the complete atlas, which sets the colours: a region has the same
        colour in every space and subject
    names : {label: name} of the regions in the map
    """

    atlas: str
    path: Sequence[Path]
    every: Mapping[int, str]
    names: Mapping[int, str]

    @property
    def colours(self) -> dict[int, str]:
        """{label: colour} of the regions in the map."""
        colours = outline_colours(self.every)
        return {value: colours[value] for value in self.names}

    def legend(self, figure: Figure) -> None:
        """Draw the names of regions in their colours; only their number if all have one colour."""
        one_colour = len(set(self.colours.values())) == 1 < len(self.names)
        entries = {min(self.names): f"{len(self.names)} regions"} if one_colour else self.names
        handles = [
            Line2D([], [], color=self.colours[value], label=name, linewidth=1.5)
            for value, name in entries.items()
        ]
        figure.legend(
            handles=handles,
            title=f"outlines: {self.atlas}",
            ncols=len(handles),
            fontsize=7,
            title_fontsize=7,
            alignment="left",
            frameon=False,
            loc="upper left",
            bbox_to_anchor=(0.1, 0.09),
        )


def volume_picture(
    maps: Mapping[str, Sequence[Path]],
    background: Path,
    extent: Path,
    scale: Scale,
    outlines: Outlines | None = None,
) -> Figure:
    """Draw axial slices over the subject's mean functional image: a row per map, left is left.

    Parameters
    ----------
    maps : {title: its file, or the two files of a pair}
    background : image in the same space
    extent : map of all modelled voxels, which sets the slices
    """
    # nilearn collects garbage with each image; this exempts what exists before them
    gc.collect()
    gc.freeze()
    width, height = (1, 1.55) if not scale.of_pairs else (9, 1.3)
    figure = plt.figure(figsize=(9.3 + 0.17 * width, height * len(maps) + 0.55))
    columns = figure.add_gridspec(
        *(len(maps), 2),
        width_ratios=(60, width),
        wspace=0.05 if not scale.of_pairs else 0.12,
        hspace=0.22,
        bottom=0.12 if outlines else 0.02,
    )
    cuts = _cuts(extent)
    for row, (title, paths) in enumerate(maps.items()):
        axis = figure.add_subplot(columns[row, 0])
        axis.set_axis_off()
        slices = plotting.plot_stat_map(
            _viewable(paths, scale),
            bg_img=str(background),
            display_mode="z",
            cut_coords=cuts,
            threshold=NEARLY_ZERO,
            axes=axis,
            colorbar=False,
            annotate=False,
            draw_cross=False,
            black_bg=False,
            resampling_interpolation="nearest",
            symmetric_cbar=False,
            **scale.drawing,
        )
        if outlines:
            _outline_slices(slices, outlines)
        _label_slices(slices, first=row == 0)
        axis.set_title(title, loc="left", fontsize=9, pad=14 if row == 0 else 4)
    scale.draw_bar(figure, columns[:, 1] if not scale.of_pairs else columns[0, 1])
    if outlines:
        outlines.legend(figure)
    return figure


def _outline_slices(slices: ZSlicer, outlines: Outlines) -> None:
    affine = _affine(outlines.path[0])
    labels = read_map(outlines.path[0])
    for value, colour in outlines.colours.items():
        region = nibabel.Nifti1Image((labels == value).astype(np.float32), affine)
        slices.add_contours(region, levels=[0.5], colors=[colour], linewidths=0.8)


def _label_slices(slices: ZSlicer, first: bool) -> None:
    """Write heights above the first row, and sides in the corners of its first slice."""
    for number, (height, cut) in enumerate(slices.axes.items()):
        if first:
            text = f"z = {float(height):.0f} mm".replace("-", "−")
            cut.ax.set_title(text, fontsize=7, pad=1)
        if first and number == 0:
            for x, side in ((0.0, "L"), (1.0, "R")):
                cut.ax.text(
                    *(x, 0.0, side),
                    transform=cut.ax.transAxes,
                    fontsize=8,
                    ha="left" if side == "L" else "right",
                    va="bottom",
                    bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.7, "pad": 0.5},
                )


def glass_picture(maps: Mapping[str, Path], scale: Scale) -> Figure:
    """Draw maps in MNI space as glass brains (largest value along each line), a row per map."""
    figure, axes = plt.subplots(len(maps), 1, figsize=(9.5, 2.3 * len(maps)), squeeze=False)
    for axis, (title, path) in zip(axes[:, 0], maps.items(), strict=True):
        plotting.plot_glass_brain(
            _viewable([path], scale),
            display_mode="lyrz",
            axes=axis,
            plot_abs=False,
            threshold=NEARLY_ZERO,
            vmax=scale.limit,
            cmap=SIGNED_MAP,
            colorbar=True,
            symmetric_cbar=True,
        )
        axis.set_title(title, loc="left", fontsize=9)
    return figure


def _viewable(paths: Sequence[Path], scale: Scale) -> nibabel.Nifti1Image:
    """Make an image with 0 instead of NaN, where viewers would hide the background."""
    values = scale.displayed([read_map(path) for path in paths])
    return nibabel.Nifti1Image(values.astype(np.float32), _affine(paths[0]))


def _affine(path: Path) -> np.ndarray:
    return nibabel.Nifti1Image.from_filename(path).affine


def _cuts(path: Path) -> np.ndarray:
    """World z (mm) of slices evenly spaced over the voxels of a map."""
    height = np.flatnonzero(np.isfinite(read_map(path)).any(axis=(0, 1)))
    slices = np.unique(np.linspace(height[0], height[-1], SLICES + 2).round().astype(int)[1:-1])
    corners = np.column_stack([np.zeros((len(slices), 2)), slices])
    return nibabel.affines.apply_affine(_affine(path), corners)[:, 2]
