"""Views of a triangle mesh as pixels: which vertices each pixel displays, and with what weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# pixels along the longer side, and around the mesh
PIXELS, MARGIN = 650, 3


@dataclass(frozen=True)
class Projection:
    """A mesh seen from one side.

    Attributes
    ----------
    vertex : (row, column, 3) corners of the triangle at each pixel; the first row is the lowest
    weight : (row, column, 3) barycentric weights of these, all 0 where there is no triangle
    light : (row, column) 1 where the triangle faces the viewer, 0 where it is seen edge-on
    extent : left, right, bottom and top, mm
    resolution : pixels per mm
    """

    vertex: np.ndarray
    weight: np.ndarray
    light: np.ndarray
    extent: tuple[float, float, float, float]
    resolution: float

    @property
    def inside(self) -> np.ndarray:
        """Pixels (row, column) with a triangle."""
        return np.asarray(self.weight.any(axis=-1))

    @property
    def centres(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions of columns and of rows, mm."""
        n_rows, n_columns = self.light.shape
        left, _, bottom, _ = self.extent
        return (
            left + (np.arange(n_columns) + 0.5) / self.resolution,
            bottom + (np.arange(n_rows) + 0.5) / self.resolution,
        )

    def interpolated(self, values: np.ndarray) -> np.ndarray:
        """Interpolate values of vertices (vertex, …) linearly: (row, column, …)."""
        values = values.astype(np.float32)
        return np.einsum("rck,rck...->rc...", self.weight, values[self.vertex])

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """Take the values (vertex, …) of the vertex with the largest weight: (row, column, …)."""
        largest = self.weight.argmax(axis=-1)[..., None]
        return values[np.take_along_axis(self.vertex, largest, axis=-1)[..., 0]]


def project(points: np.ndarray, faces: np.ndarray, pixels: int = PIXELS) -> Projection:
    """Look at a mesh from the front.

    Parameters
    ----------
    points : (vertex, 3) mm: to the right, up, and towards the viewer
    faces : (face, 3), counterclockwise if seen from outside; those that face away are not drawn
    pixels : along the longer side
    """
    used = points[np.unique(faces), :2]
    resolution = float(pixels / np.ptp(used, axis=0).max())
    origin = used.min(axis=0) - MARGIN / resolution
    size = (used.max(axis=0) - origin) * resolution + MARGIN
    n_columns, n_rows = np.ceil(size).astype(int)
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    places = (corners[..., :2] - origin) * resolution - 0.5
    face, place, weight = _covered(places, np.flatnonzero(normal[:, 2] > 0))
    # the nearest triangle is written last
    nearest = np.argsort(np.einsum("hk,hk->h", weight, corners[face, :, 2]))
    hit = np.full((n_rows, n_columns), -1)
    hit[place[nearest, 1], place[nearest, 0]] = nearest
    known = hit >= 0
    vertex = np.zeros((n_rows, n_columns, 3), dtype=np.int32)
    weights = np.zeros((n_rows, n_columns, 3), dtype=np.float32)
    light = np.zeros((n_rows, n_columns), dtype=np.float32)
    vertex[known], weights[known] = faces[face[hit[known]]], weight[hit[known]]
    # of vertices, so that edges of triangles cannot be seen
    brightness = np.zeros(len(points))
    for corner in range(3):
        np.add.at(brightness, faces[:, corner], normal[:, 2])
    brightness /= np.maximum(np.bincount(faces.ravel(), minlength=len(points)), 1)
    light[known] = np.clip((weights * brightness[vertex]).sum(axis=-1)[known], 0, 1)
    end = origin + np.array([n_columns, n_rows]) / resolution
    extent = (origin[0], end[0], origin[1], end[1])
    return Projection(vertex, weights, light, extent, resolution)


def _covered(pixels: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Find the pixels whose centres lie in triangles.

    Parameters
    ----------
    pixels : (face, 3, 2) column and row of the corners, not rounded
    faces : the triangles to draw

    Returns
    -------
    triangle, (column, row) and barycentric weights of each triangle's pixels
    """
    low = np.ceil(pixels.min(axis=1)).astype(int)
    size = (np.floor(pixels.max(axis=1)).astype(int) - low + 1).max(axis=1)
    found = []
    # triangles of about one size at a time, in a square of pixels each
    for step in range(int(size[faces].max(initial=1)).bit_length() + 1):
        some = faces[(size[faces] <= 2**step) & (size[faces] > 2**step // 2)]
        square = np.stack(np.meshgrid(*[np.arange(2**step)] * 2), axis=-1).reshape(-1, 2)
        place = low[some][:, None] + square
        first, second, third = (pixels[some, corner][:, None] for corner in range(3))
        area = _cross(second - first, third - first)
        weight = np.stack(
            [
                _cross(second - place, third - place) / area,
                _cross(third - place, first - place) / area,
                _cross(first - place, second - place) / area,
            ],
            axis=-1,
        )
        inside = (weight >= -1e-9).all(axis=-1)
        found.append((np.nonzero(inside)[0], place[inside], weight[inside], some))
    face = np.concatenate([some[row] for row, _, _, some in found])
    place = np.concatenate([one for _, one, _, _ in found])
    return face, place, np.clip(np.concatenate([one for _, _, one, _ in found]), 0, 1)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
