"""Cortical surfaces of the simulated brain, and the transforms from its volume to them.

A hemisphere of an ellipsoid is a sphere of vertices that is folded over half of the cortical shell.
NSD's readers are not used, so that the simulation does not share their errors.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import nibabel
import numpy as np
from nilearn.datasets import load_fsaverage
from scipy.spatial import ConvexHull, cKDTree

from pipeline.simulation.settings import TemplateSizes

LATERAL = {"lh": -1.0, "rh": 1.0}
# the medial wall is where the sphere's far pole closes over the rim of the half shell
FOLD, MEDIAL_WALL = 0.47, -0.97
DEPTHS = {"pial": 0.0, "layerB1": 0.25, "layerB2": 0.5, "layerB3": 0.75, "white": 1.0}
LAYERS = ("layerB1", "layerB2", "layerB3")
# marks of points without data: NSD made its 1.8 mm transforms from the 1 mm ones by an affine
NO_DATA = {"func1pt0": 9999.0, "func1pt8": 5555.4}
TRANSFORM_NAMES = {"func1pt8mm": "func1pt8", "func1mm": "func1pt0"}


@dataclass(frozen=True)
class Geometry:
    """Content of FreeSurfer's files of a hemisphere.

    Attributes
    ----------
    shapes : {"white": (vertex, 3) mm, …}
    faces : (face, 3)
    sulc, thickness : (vertex,)
    """

    shapes: Mapping[str, np.ndarray]
    faces: np.ndarray
    sulc: np.ndarray
    thickness: np.ndarray


class Surface(Protocol):
    """Surface of one hemisphere, of an ellipsoid or of human shape."""

    @property
    def sphere(self) -> np.ndarray:
        """Vertices (vertex, 3) on the unit sphere, in a frame that source and target share."""

    @property
    def medial_wall(self) -> np.ndarray:
        """Vertices of the medial wall, (vertex,) bool."""

    def points(self, depth: float, grid: tuple[int, ...], /) -> np.ndarray:
        """Compute 1-based voxel coordinates (vertex, 3) at a depth from 0 (pial) to 1 (white)."""

    def geometry(self, name: str, grid: tuple[int, ...], edge: float, /) -> Geometry:
        """Describe the hemisphere for FreeSurfer's files; `edge` is that of a voxel, mm."""


@dataclass(frozen=True)
class Hemisphere:
    """Surface of one hemisphere of an ellipsoid.

    Attributes
    ----------
    sphere : (vertex, 3) on the unit sphere
    faces : (face, 3)
    direction : (vertex, 3) unit vectors from the brain's centre
    radii : where cortex ends and begins
    """

    sphere: np.ndarray
    faces: np.ndarray
    direction: np.ndarray
    radii: tuple[float, float]

    @property
    def medial_wall(self) -> np.ndarray:
        """Vertices of the medial wall, (vertex,) bool."""
        return self.sphere[:, 0] < MEDIAL_WALL

    def points(self, depth: float, grid: tuple[int, ...]) -> np.ndarray:
        """Compute 1-based voxel coordinates (vertex, 3) at a depth from 0 (pial) to 1 (white)."""
        outer, inner = self.radii
        radius = outer - depth * (outer - inner)
        return (radius * self.direction + 1) / 2 * (np.array(grid) - 1) + 1

    def geometry(self, name: str, grid: tuple[int, ...], edge: float) -> Geometry:
        """Describe the hemisphere for FreeSurfer's files; `edge` is that of a voxel, mm."""
        half_mm = (np.array(grid) - 1) / 2 * edge
        unit_grid = (3, 3, 3)
        shapes = {
            surface: (self.points(depth, unit_grid) - 2) * half_mm
            for surface, depth in DEPTHS.items()
        }
        mirrored = self.sphere * [LATERAL[name], 1, 1]
        shapes |= {
            "inflated": mirrored * [0.5, 1.1, 0.8] * half_mm,
            "sphere": 100 * mirrored,
            "sphere.reg": 100 * mirrored,
        }
        # reverse the triangles of the mirrored mesh, which would be inside out
        faces = self.faces if name == "rh" else self.faces[:, ::-1]
        folds = np.sin(9 * self.sphere[:, 1]) * np.cos(7 * self.sphere[:, 2])
        return Geometry(shapes, faces, folds, np.full(len(folds), 2.5))


def make_hemisphere(name: str, sphere: np.ndarray, radii: tuple[float, float]) -> Hemisphere:
    """Fold a sphere (vertex, 3), whose x points away from the other hemisphere, over the cortex."""
    height = sphere[:, 0]
    # not 0 at a pole, around which every direction is the same
    around = np.maximum(np.sqrt(1 - height**2), 1e-9)
    polar = FOLD * np.arccos(height)
    perpendicular = sphere[:, 1:] / around[:, None]
    direction = np.column_stack(
        [LATERAL[name] * np.cos(polar), np.sin(polar)[:, None] * perpendicular]
    )
    return Hemisphere(sphere, _outward(ConvexHull(sphere).simplices, sphere), direction, radii)


def even_sphere(n_vertices: int) -> np.ndarray:
    """Distribute vertices (vertex, 3) evenly on a sphere."""
    number = np.arange(n_vertices) + 0.5
    height = 1 - 2 * number / n_vertices
    angle = number * np.pi * (1 + 5**0.5)
    around = np.sqrt(1 - height**2)
    return np.column_stack([height, around * np.cos(angle), around * np.sin(angle)])


def _outward(faces: np.ndarray, points: np.ndarray) -> np.ndarray:
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    inward = np.einsum("ij,ij->i", normal, corners.mean(axis=1)) < 0
    return np.where(inward[:, None], faces[:, ::-1], faces)


def native_hemispheres(
    subject_number: int, sizes: TemplateSizes, radii: tuple[float, float]
) -> dict[str, Hemisphere]:
    """Make both hemispheres of a subject, each with its own number of vertices."""
    return {
        name: make_hemisphere(name, even_sphere(n + 3 * subject_number), radii)
        for name, n in sizes.native.items()
    }


def fsaverage_hemispheres(
    sizes: TemplateSizes, radii: tuple[float, float]
) -> dict[str, Hemisphere]:
    """Make both hemispheres of fsaverage; if large, the first vertices are those of fsaverage5."""
    parts = load_fsaverage("fsaverage5")["sphere"].parts
    hemispheres = {}
    for name, side in (("lh", "left"), ("rh", "right")):
        first = parts[side].coordinates.astype(np.float64) * [LATERAL[name], 1, 1]
        first /= np.linalg.norm(first, axis=1, keepdims=True)
        first = first if sizes.fsaverage > len(first) else first[:0]
        sphere = np.vstack([first, even_sphere(sizes.fsaverage - len(first))])
        hemispheres[name] = make_hemisphere(name, sphere, radii)
    return hemispheres


def nearest_vertices(source: Surface, target: Surface) -> np.ndarray:
    """Find the source vertex, 0-based, nearest to each target vertex on the sphere."""
    return cKDTree(source.sphere).query(target.sphere)[1]


def surface_percent(hemisphere: Surface, percent: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """Map betas to vertices (vertex, trial) as NSD does: Catmull-Rom at three depths, averaged.

    Parameters
    ----------
    percent : (X, Y, Z, trial) percent signal change, NaN where a session has no data
    """
    layers = [catmull_rom(percent, hemisphere.points(DEPTHS[layer], grid)) for layer in LAYERS]
    result = np.mean(layers, axis=0)
    result[hemisphere.medial_wall] = np.nan
    return result


def catmull_rom(volume: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Interpolate a volume (X, Y, Z, …) at 1-based coordinates inside it: (point, …)."""
    below = np.floor(points).astype(int)
    d = points - below
    weights = (
        0.5 * (-d + 2 * d**2 - d**3),
        0.5 * (2 - 5 * d**2 + 3 * d**3),
        0.5 * (d + 4 * d**2 - 3 * d**3),
        0.5 * (-(d**2) + d**3),
    )
    total = np.zeros((len(points), *volume.shape[3:]))
    for offsets in itertools.product(range(4), repeat=3):
        weight = np.ones(len(points))
        index = []
        for axis, offset in enumerate(offsets):
            weight *= weights[offset][:, axis]
            index.append(np.clip(below[:, axis] - 1 + offset, 1, volume.shape[axis]) - 1)
        total += weight.reshape(-1, *(1,) * (volume.ndim - 3)) * volume[tuple(index)]
    return total


def labels_on_surface(hemisphere: Surface, volume: np.ndarray, grid: tuple[int, ...]) -> np.ndarray:
    """Take the labels (vertex,) of the nearest voxels at middle depth; 0 outside the cortex."""
    index = np.floor(hemisphere.points(DEPTHS["layerB2"], grid) + 0.5).astype(int) - 1
    labels = np.maximum(volume[tuple(index.T)], 0)
    return np.where(hemisphere.medial_wall, 0, labels)


def write_surfaces(folder: Path, name: str, geometry: Geometry) -> None:
    """Write FreeSurfer's surf folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for surface, coordinates in geometry.shapes.items():
        nibabel.freesurfer.write_geometry(
            folder / f"{name}.{surface}", coordinates, geometry.faces, create_stamp="simulated"
        )
    measures = {
        "sulc": geometry.sulc,
        "curv": geometry.sulc / 4,
        "thickness": geometry.thickness,
    }
    for measure, values in measures.items():
        nibabel.freesurfer.write_morph_data(folder / f"{name}.{measure}", values)


def write_vertices(path: Path, values: np.ndarray) -> None:
    """Write values (vertex,) or (vertex, frame) as .mgh or .mgz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = values.astype(np.float32)
    volume = values.reshape(len(values), 1, 1, *values.shape[1:])
    nibabel.MGHImage(volume, np.eye(4)).to_filename(path)


def surface_transforms(
    space: str,
    native: Mapping[str, Surface],
    average: Mapping[str, Surface],
    grid: tuple[int, ...],
) -> dict[str, np.ndarray]:
    """Make {file name: content} of the transforms from the volume to surfaces and fsaverage."""
    source = TRANSFORM_NAMES[space]
    files: dict[str, np.ndarray] = {}
    for name, hemisphere in native.items():
        for surface, depth in DEPTHS.items():
            points = hemisphere.points(depth, grid)
            points[hemisphere.medial_wall] = NO_DATA[source]
            files[f"{name}.{source}-to-{surface}.mgz"] = points
        files[f"{name}.white-to-fsaverage.mgz"] = nearest_vertices(hemisphere, average[name]) + 1
        files[f"{name}.fsaverage-to-white.mgz"] = nearest_vertices(average[name], hemisphere) + 1
    return files


def mni_affine(sizes: TemplateSizes) -> np.ndarray:
    """Make the affine of a template whose first index runs from right to left, as in FSL."""
    edge = sizes.mni_edge
    origin = [(n - 1) / 2 * edge for n in sizes.mni_shape]
    affine = np.diag([-edge, edge, edge, 1])
    affine[:3, 3] = origin[0], -origin[1], -origin[2]
    return affine


def mni_coordinates(space: str, grid: tuple[int, ...], sizes: TemplateSizes) -> np.ndarray:
    """Compute `func-to-MNI`: coordinates in the volume of each voxel of the template."""
    axes = [np.linspace(-1.1, 1.1, n) for n in sizes.mni_shape]
    unit = np.stack(np.meshgrid(-axes[0], axes[1], axes[2], indexing="ij"), axis=-1)
    points = (unit + 1) / 2 * (np.array(grid) - 1) + 1
    points[np.linalg.norm(unit, axis=-1) > 1.5] = NO_DATA[TRANSFORM_NAMES[space]]
    return points.astype(np.float32)
