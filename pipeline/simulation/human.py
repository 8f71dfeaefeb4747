"""A brain of human shape: fsaverage5 of nilearn in MNI152. All subjects have the same anatomy."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.ndimage
import scipy.sparse
from nilearn.datasets import load_fsaverage, load_fsaverage_data, load_mni152_template
from scipy.sparse.csgraph import dijkstra
from scipy.spatial import cKDTree

from pipeline.simulation.atlases import LABELS, SUBCORTICAL
from pipeline.simulation.brain import Brain, group_names
from pipeline.simulation.regions import HIPPOCAMPUS, regions
from pipeline.simulation.settings import HUMAN_CORNERS, TemplateSizes, VoxelGroup
from pipeline.simulation.surfaces import DEPTHS, LAYERS, NO_DATA, TRANSFORM_NAMES, Geometry

SIDES = {"lh": ("left", -1.0), "rh": ("right", 1.0)}
# from fsaverage (MNI305) to MNI152, mm, as FreeSurfer's documentation gives it
TO_MNI152 = np.array(
    [
        [0.9975, -0.0073, 0.0176, -0.0429],
        [0.0146, 1.0009, -0.0024, 1.5496],
        [-0.0130, -0.0093, 0.9971, 1.1840],
    ]
)
# the ribbon is sampled at these depths, and in the middles of so many parts of a triangle's edge
SAMPLES, PARTS = np.linspace(0.0625, 0.9375, 8), 5
# a voxel is cortex if this fraction of it is grey matter
LEAST_GREY = 0.2
# brightness of the mean image where the T1 image of the template is brightest
BRIGHTEST = 1200.0
# MNI152 coordinates, mm, of the first voxel of FSL's template, whose first index is the right end
MNI_ORIGIN = (90.0, -126.0, -72.0)


@dataclass(frozen=True)
class HumanHemisphere:
    """One hemisphere of fsaverage5, possibly with its vertices in another order.

    Attributes
    ----------
    shapes : {"white": (vertex, 3) mm, "pial": …, "inflated": …, "sphere": …}, as in FreeSurfer
    faces : (face, 3)
    sulc : (vertex,) positive in sulci
    medial_wall : (vertex,) bool
    side : -1 left, 1 right
    voxel_size : edge of a voxel of the volume, mm
    """

    shapes: Mapping[str, np.ndarray]
    faces: np.ndarray
    sulc: np.ndarray
    medial_wall: np.ndarray
    side: float
    voxel_size: float

    @property
    def sphere(self) -> np.ndarray:
        """Vertices (vertex, 3) on the unit sphere."""
        return self.shapes["sphere"] / np.linalg.norm(self.shapes["sphere"], axis=1, keepdims=True)

    def millimetres(self, depth: float) -> np.ndarray:
        """Compute positions (vertex, 3) in MNI152 at a depth from 0 (pial) to 1 (white)."""
        points = self.shapes["pial"] + depth * (self.shapes["white"] - self.shapes["pial"])
        return np.asarray(points @ TO_MNI152[:, :3].T + TO_MNI152[:, 3])

    def points(self, depth: float, grid: tuple[int, ...]) -> np.ndarray:
        """Compute 1-based voxel coordinates (vertex, 3) at a depth from 0 (pial) to 1 (white)."""
        return (self.millimetres(depth) - HUMAN_CORNERS[0]) / self.voxel_size + 1

    def geometry(self, name: str, grid: tuple[int, ...], edge: float) -> Geometry:
        """Describe the hemisphere for FreeSurfer's files."""
        pial, white = self.shapes["pial"], self.shapes["white"]
        layers = {name: pial + depth * (white - pial) for name, depth in DEPTHS.items()}
        shapes = {**self.shapes, **layers, "sphere.reg": self.shapes["sphere"]}
        return Geometry(shapes, self.faces, self.sulc, np.linalg.norm(pial - white, axis=1))

    @cached_property
    def _edges(self) -> scipy.sparse.csr_matrix:
        middle = self.millimetres(0.5)
        ends = np.vstack([self.faces[:, [k, (k + 1) % 3]] for k in range(3)])
        length = np.linalg.norm(middle[ends[:, 0]] - middle[ends[:, 1]], axis=1)
        return scipy.sparse.csr_matrix((length, tuple(ends.T)), shape=(len(middle),) * 2)

    def away_from(self, vertices: Sequence[int]) -> np.ndarray:
        """Compute distances (vertex,) along the surface from the nearest of some vertices, mm."""
        found = dijkstra(self._edges, directed=False, indices=[*vertices], min_only=True)
        return np.asarray(found)

    def path(self, places: Sequence[int]) -> list[int]:
        """List the vertices of the shortest way that visits some vertices in their order."""
        found = [places[0]]
        for start, end in itertools.pairwise(places):
            _, before = dijkstra(
                self._edges, directed=False, indices=start, return_predecessors=True
            )
            way = [end]
            while way[-1] != start:
                way.append(int(before[way[-1]]))
            found += way[-2::-1]
        return found

    def nearest(self, place: Sequence[float]) -> int:
        """Find the vertex nearest to MNI coordinates of the right hemisphere, or their mirror."""
        mirrored = np.array(place) * [self.side, 1, 1]
        away = np.linalg.norm(self.millimetres(0.5) - mirrored, axis=1)
        return int(np.argmin(np.where(self.medial_wall, np.inf, away)))


def human_hemispheres(voxel_size: float, shift: int = 0) -> dict[str, HumanHemisphere]:
    """Read both hemispheres; the first `shift` vertices come last, to differ from fsaverage5."""
    template = load_fsaverage("fsaverage5")
    sulc = load_fsaverage_data(mesh="fsaverage5", data_type="sulcal").data.parts
    names = {"white": "white_matter", "pial": "pial", "inflated": "inflated", "sphere": "sphere"}
    hemispheres = {}
    for name, (side, sign) in SIDES.items():
        parts = {shape: template[key].parts[side] for shape, key in names.items()}
        n_vertices = len(sulc[side])
        order = np.roll(np.arange(n_vertices), -shift)
        # the flattened mesh lacks the medial wall
        in_flat = np.isin(np.arange(n_vertices), template["flat"].parts[side].faces)
        hemispheres[name] = HumanHemisphere(
            {shape: part.coordinates[order].astype(np.float64) for shape, part in parts.items()},
            np.argsort(order)[parts["white"].faces],
            sulc[side][order],
            ~in_flat[order],
            sign,
            voxel_size,
        )
    return hemispheres


def make_human_brain(grid: tuple[int, int, int], edge: float, groups: list[VoxelGroup]) -> Brain:
    """Build the brain on a grid of voxels, mm.

    A voxel has the labels of the vertex that is nearest at some depth, and belongs to the first
    group of its labels.
    """
    hemispheres = human_hemispheres(edge)
    shares = [_grey_matter(one, grid) for one in hemispheres.values()]
    grey = np.sum(shares, axis=0) > LEAST_GREY
    voxel = np.argwhere(grey)
    depths = [DEPTHS[layer] for layer in LAYERS]
    points = [one.points(depth, grid) - 1 for one in hemispheres.values() for depth in depths]
    counts = [len(part) for part in points]
    nearest = cKDTree(np.concatenate(points)).query(voxel)[1]
    part = np.repeat(np.arange(len(points)), counts)[nearest]
    vertex = nearest - np.cumsum([0, *counts])[part]
    right = part >= len(depths)
    of_vertices = [regions(one) for one in hemispheres.values()]
    cortex = grey.copy()
    walls = [one.medial_wall for one in hemispheres.values()]
    cortex[grey] = ~np.where(right, walls[1][vertex], walls[0][vertex])
    labels = {}
    for atlas in of_vertices[0]:
        left_labels, right_labels = (each[atlas] for each in of_vertices)
        volume = np.zeros(grid, dtype=int)
        volume[grey] = np.where(right, right_labels[vertex], left_labels[vertex])
        labels[atlas] = np.where(cortex, volume, -1)
    left = np.indices(grid)[0] < (grid[0] - 1) / 2
    left[grey] = ~right
    general = labels["nsdgeneral"] == 1
    group = np.where(general, len(groups), -1)
    for number, one in reversed([*enumerate(groups)]):
        member = labels[one.atlas] == LABELS[one.atlas].index(one.roi) + 1
        group[member & general] = number
    subcortical = _hippocampus(grid, edge)
    mask = cortex | (subcortical["MTL"] > 0)
    mean = _template(grid, edge)
    return Brain(mask, cortex, left, group, group_names(groups), labels, subcortical, mean)


def _grey_matter(hemisphere: HumanHemisphere, grid: tuple[int, ...]) -> np.ndarray:
    """Estimate which fraction of each voxel (X, Y, Z) lies between white and pial surface."""
    volume = np.zeros(grid)
    corners = [np.array(weights) for weights in _barycentric()]
    layers = [hemisphere.points(depth, grid)[hemisphere.faces] - 1 for depth in SAMPLES]
    thickness = np.linalg.norm(hemisphere.points(0, grid) - hemisphere.points(1, grid), axis=1)
    height = thickness[hemisphere.faces].mean(axis=1) / len(SAMPLES)
    for layer in layers:
        normal = np.cross(layer[:, 1] - layer[:, 0], layer[:, 2] - layer[:, 0])
        share = np.linalg.norm(normal, axis=1) / 2 * height / len(corners)
        for weights in corners:
            place = np.rint(np.einsum("k,fkd->fd", weights, layer)).astype(int)
            np.add.at(volume, tuple(place.T), share)
    return volume


def _barycentric() -> Iterator[tuple[float, float, float]]:
    """Yield the middles of equal parts of a triangle."""
    for first in range(PARTS):
        for second in range(PARTS - first):
            a, b = (first + 1 / 3) / PARTS, (second + 1 / 3) / PARTS
            yield a, b, 1 - a - b
            if first + second < PARTS - 1:
                a, b = (first + 2 / 3) / PARTS, (second + 2 / 3) / PARTS
                yield a, b, 1 - a - b


def millimetres(grid: tuple[int, ...], edge: float) -> np.ndarray:
    """Compute the MNI152 coordinates (X, Y, Z, 3) of voxels."""
    return np.moveaxis(np.indices(grid), 0, -1) * edge + np.array(HUMAN_CORNERS[0])


def _hippocampus(grid: tuple[int, ...], edge: float) -> dict[str, np.ndarray]:
    """Label tubes along both hippocampi from behind as {atlas: (X, Y, Z)}: 0 elsewhere, 1…N."""
    place = millimetres(grid, edge)
    place[..., 0] = np.abs(place[..., 0])
    back, front = (np.array(end) for end in HIPPOCAMPUS)
    along = (place - back) @ (front - back) / ((front - back) @ (front - back))
    off = np.linalg.norm(place - back - along[..., None] * (front - back), axis=-1)
    inside = (along >= 0) & (along < 1) & (off < 1.2 * edge)
    return {
        atlas: np.where(inside, np.floor(along * len(labels)).astype(int) + 1, 0)
        for atlas, labels in SUBCORTICAL.items()
    }


def _template(grid: tuple[int, ...], edge: float) -> np.ndarray:
    """Sample the T1 image of MNI152 (X, Y, Z), which stands for the mean functional image."""
    image = load_mni152_template(resolution=2)
    inverse = np.linalg.inv(image.affine)
    place = millimetres(grid, edge) @ inverse[:3, :3].T + inverse[:3, 3]
    values = image.get_fdata()
    smooth = scipy.ndimage.gaussian_filter(values / values.max(), edge / 4)
    return BRIGHTEST * scipy.ndimage.map_coordinates(smooth, np.moveaxis(place, -1, 0), order=1)


def mni_affine(sizes: TemplateSizes) -> np.ndarray:
    """Make the affine of FSL's MNI152 template at a coarser resolution."""
    affine = np.diag([-sizes.mni_edge, sizes.mni_edge, sizes.mni_edge, 1])
    affine[:3, 3] = MNI_ORIGIN
    return affine


def mni_coordinates(
    space: str, grid: tuple[int, ...], edge: float, sizes: TemplateSizes
) -> np.ndarray:
    """Compute `func-to-MNI`: coordinates in the volume of each voxel of the template."""
    affine = mni_affine(sizes)
    place = np.moveaxis(np.indices(sizes.mni_shape), 0, -1) @ affine[:3, :3].T + affine[:3, 3]
    points = (place - HUMAN_CORNERS[0]) / edge + 1
    points[((points < 1) | (points > grid)).any(axis=-1)] = NO_DATA[TRANSFORM_NAMES[space]]
    return points.astype(np.float32)
