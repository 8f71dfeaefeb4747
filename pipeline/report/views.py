"""Looking at maps with nilearn: slices of a functional volume, or views of a cortical surface."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import nibabel
import numpy as np
from matplotlib.figure import Figure
from nilearn import plotting
from nilearn.surface import InMemoryMesh, PolyMesh, SurfaceImage

from pipeline.maps.files import map_names, read_map

SIGNED_MAP = "RdBu_r"
SLICES = 6
SURFACE_VIEWS = {"left": (0, 180), "right": (0, 0), "back": (0, 270), "below": (270, 270)}
# viewers take exactly 0 for transparent
NEARLY_ZERO = 1e-6


class BrainView(Protocol):
    """How one subject's maps are shown."""

    caption: str

    def paths(self, folder: Path, subject: str, space: str, entities: str) -> list[Path]:
        """Files of one map."""

    def picture(self, maps: Mapping[str, Sequence[Path]], limit: float, label: str) -> Figure:
        """One row per map {title: files}, all on one colour scale from -limit to limit."""

    def page(self, paths: Sequence[Path], limit: float) -> str:
        """An interactive page of one map, that needs no other file."""


@dataclass(frozen=True)
class VolumeView:
    """Slices over the subject's mean functional image."""

    background: Path
    caption: str = "on the subject's mean functional image. Axial slices, left is left"

    def paths(self, folder: Path, subject: str, space: str, entities: str) -> list[Path]:
        return [folder / name for name in map_names(subject, space, entities)]

    def picture(self, maps: Mapping[str, Sequence[Path]], limit: float, label: str) -> Figure:
        figure = plt.figure(figsize=(9.5, 1.75 * len(maps)))
        # the colour bar has a column of its own: nilearn draws over whatever is inside its axes
        columns = figure.add_gridspec(len(maps), 2, width_ratios=(60, 1), wspace=0.04, hspace=0.25)
        cuts = _cuts(next(iter(maps.values()))[0])
        for row, (title, (path,)) in enumerate(maps.items()):
            axis = figure.add_subplot(columns[row, 0])
            axis.set_axis_off()
            slices = plotting.plot_stat_map(
                _viewable(path),
                bg_img=str(self.background),
                display_mode="z",
                cut_coords=cuts,
                threshold=NEARLY_ZERO,
                vmax=limit,
                cmap=SIGNED_MAP,
                axes=axis,
                colorbar=False,
                annotate=False,
                black_bg=False,
            )
            if row == 0:
                slices.annotate(size=8)
            axis.set_title(title, loc="left", fontsize=10, pad=12 if row == 0 else 6)
        _colour_bar(figure, columns[:, 1], limit, label)
        return figure

    def page(self, paths: Sequence[Path], limit: float) -> str:
        return plotting.view_img(
            _viewable(paths[0]),
            bg_img=str(self.background),
            threshold=NEARLY_ZERO,
            vmax=limit,
            cmap=SIGNED_MAP,
            black_bg=False,
        ).get_standalone()


@dataclass(frozen=True)
class SurfaceView:
    """Both inflated hemispheres.

    Attributes
    ----------
    meshes : left and right, coordinates (vertex, 3) in mm and triangles (face, 3)
    sulcal_depth : left and right, (vertex,)
    """

    meshes: Sequence[tuple[np.ndarray, np.ndarray]]
    sulcal_depth: Sequence[np.ndarray]
    caption: str = "on both inflated hemispheres over sulcal depth"

    def paths(self, folder: Path, subject: str, space: str, entities: str) -> list[Path]:
        return [folder / name for name in map_names(subject, space, entities)]

    def picture(self, maps: Mapping[str, Sequence[Path]], limit: float, label: str) -> Figure:
        figure = plt.figure(figsize=(9.5, 2.1 * len(maps)))
        n = len(SURFACE_VIEWS)
        columns = figure.add_gridspec(len(maps), n + 1, width_ratios=(*[15] * n, 1), wspace=0.02)
        for row, (title, paths) in enumerate(maps.items()):
            image = self._image([read_map(path) for path in paths])
            for column, (name, view) in enumerate(SURFACE_VIEWS.items()):
                axis = figure.add_subplot(columns[row, column], projection="3d")
                plotting.plot_surf_stat_map(
                    stat_map=image,
                    bg_map=self._image(self.sulcal_depth),
                    hemi="both",
                    view=view,
                    vmax=limit,
                    threshold=NEARLY_ZERO,
                    cmap=SIGNED_MAP,
                    colorbar=False,
                    axes=axis,
                    figure=figure,
                )
                axis.set_title(f"{title}\n{name}" if column == 0 else name, fontsize=9)
        _colour_bar(figure, columns[:, n], limit, label)
        return figure

    def page(self, paths: Sequence[Path], limit: float) -> str:
        return plotting.view_surf(
            surf_mesh=self._mesh(),
            surf_map=self._image([read_map(path) for path in paths]),
            bg_map=self._image(self.sulcal_depth),
            hemi="both",
            vmax=limit,
            threshold=NEARLY_ZERO,
            cmap=SIGNED_MAP,
        ).get_standalone()

    def _image(self, parts: Sequence[np.ndarray]) -> SurfaceImage:
        left, right = (np.nan_to_num(part).astype(np.float32) for part in parts)
        return SurfaceImage(self._mesh(), {"left": left, "right": right})

    def _mesh(self) -> PolyMesh:
        (left, left_faces), (right, right_faces) = self.meshes
        # FreeSurfer inflates both around the same centre: set them side by side
        left = left - [left[:, 0].max(), 0, 0]
        right = right - [right[:, 0].min(), 0, 0]
        return PolyMesh(
            left=InMemoryMesh(left.astype(np.float32), left_faces),
            right=InMemoryMesh(right.astype(np.float32), right_faces),
        )


def _colour_bar(figure: Figure, place: object, limit: float, label: str) -> None:
    scale = plt.cm.ScalarMappable(plt.Normalize(-limit, limit), SIGNED_MAP)
    figure.colorbar(scale, cax=figure.add_subplot(place), label=label)


def _viewable(path: Path) -> nibabel.Nifti1Image:
    """A map with 0 instead of NaN outside the mask: viewers drop the background at NaN."""
    return nibabel.Nifti1Image(np.nan_to_num(read_map(path)), nibabel.load(path).affine)


def _cuts(path: Path) -> np.ndarray:
    """World z of slices evenly spaced over the voxels of a map."""
    height = np.flatnonzero(np.isfinite(read_map(path)).any(axis=(0, 1)))
    slices = np.unique(np.linspace(height[0], height[-1], SLICES + 2).round().astype(int)[1:-1])
    corners = np.column_stack([np.zeros((len(slices), 2)), slices])
    return nibabel.affines.apply_affine(nibabel.load(path).affine, corners)[:, 2]
