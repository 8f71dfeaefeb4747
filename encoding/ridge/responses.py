"""Responses read a block of voxels at a time, voxels that have the same images together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from encoding.ridge.backend import Arrays
from encoding.ridge.block import PART, CentredResponses
from encoding.ridge.design import Design
from encoding.ridge.problem import Problem, Responses, can_validate


@dataclass(frozen=True)
class Pattern:
    """Voxels that vary and are measured in just these images; both are indices."""

    images: np.ndarray
    voxels: np.ndarray


@dataclass(frozen=True)
class VoxelBlock:
    """Some voxels, ready to fit.

    Attributes
    ----------
    voxels : (voxel,) columns of the responses
    centred : their responses, minus their mean over all images
    mean, variance : (voxel,) float64, of the responses
    """

    voxels: np.ndarray
    centred: CentredResponses
    mean: np.ndarray
    variance: np.ndarray


def measured_alike(problem: Problem, arrays: Arrays) -> Iterator[ResponseBlocks]:
    """Voxels that can be fitted, those that have the same images together, with their design."""
    options = problem.options
    for pattern in patterns(problem.responses, options.missing, arrays):
        folds = problem.folds[pattern.images]
        if can_validate(folds):
            bands = [band[pattern.images] for band in problem.bands.values()]
            design = Design(bands, folds, arrays, options.dtype, options.fit_intercept)
            yield ResponseBlocks(design, problem.responses, pattern)


def patterns(responses: Responses, missing: str, arrays: Arrays) -> list[Pattern]:
    """Voxels grouped by the images they have; those without variance are in no group.

    Parameters
    ----------
    responses : (image, voxel); a value that is not finite is a missing image
    missing : "exclude" leaves out voxels that lack any image, "available" does not
    """
    n_images, n_voxels = responses.shape

    def examine(start: int) -> tuple[np.ndarray, np.ndarray]:
        values = np.asarray(responses[:, start : start + PART])
        finite = np.isfinite(values)
        # `where` is slow, and seldom needed
        where = {} if finite.all() else {"where": finite}
        low = np.min(values, axis=0, initial=np.inf, **where)
        varies = low < np.max(values, axis=0, initial=-np.inf, **where)
        if missing == "exclude":
            varies &= finite.all(axis=0)
        return varies, np.packbits(finite, axis=0).T

    groups: dict[bytes, list[int]] = defaultdict(list)
    starts = range(0, n_voxels, PART)
    for start, (varies, packed) in zip(starts, arrays.map(examine, starts), strict=True):
        for voxel in np.flatnonzero(varies):
            groups[packed[voxel].tobytes()].append(start + int(voxel))
    return [
        Pattern(
            np.flatnonzero(np.unpackbits(np.frombuffer(key, np.uint8), count=n_images)),
            np.array(voxels),
        )
        for key, voxels in sorted(groups.items(), reverse=True)
    ]


class ResponseBlocks:
    """The voxels of one pattern."""

    def __init__(self, design: Design, responses: Responses, pattern: Pattern) -> None:
        self.design, self.responses, self.pattern = design, responses, pattern

    def without(self, voxels: Sequence[np.ndarray]) -> ResponseBlocks:
        """Leave out the voxels of some blocks."""
        others = np.setdiff1d(self.pattern.voxels, np.concatenate([*voxels, []]))
        pattern = replace(self.pattern, voxels=others.astype(self.pattern.voxels.dtype))
        return ResponseBlocks(self.design, self.responses, pattern)

    def read(self, block_voxels: int, requested: np.ndarray | None = None) -> Iterator[VoxelBlock]:
        """Read at most `block_voxels` requested (voxel,) bool voxels at a time."""
        voxels = self.pattern.voxels
        voxels = voxels if requested is None else voxels[requested[voxels]]
        for start in range(0, len(voxels), block_voxels):
            yield self._block(voxels[start : start + block_voxels])

    def _block(self, voxels: np.ndarray) -> VoxelBlock:
        design = self.design
        rows = np.empty((len(voxels), design.n_images), design.dtype)
        mean, variance = np.empty(len(voxels)), np.empty(len(voxels))

        def read(start: int) -> None:
            here = slice(start, start + PART)
            values = self._read(voxels[here])
            average = values.mean(axis=0, dtype=np.float64)
            values = values - average.astype(values.dtype)
            variance[here] = np.einsum("ij,ij->j", values, values) / len(values)
            mean[here] = average
            if not design.fit_intercept:
                values += average.astype(values.dtype)
            rows[here] = values.T

        design.arrays.map(read, range(0, len(voxels), PART))
        mean *= design.fit_intercept
        return VoxelBlock(
            voxels, CentredResponses(design, design.arrays.asarray(rows)), mean, variance
        )

    def _read(self, voxels: np.ndarray) -> np.ndarray:
        """(image, voxel) in the design's order of images; neighbours are read at once."""
        first, last = voxels[0], voxels[-1] + 1
        values = np.asarray(self.responses[:, first:last])[self.pattern.images[self.design.order]]
        values = values if len(voxels) == last - first else values[:, voxels - first]
        return values.astype(np.result_type(values.dtype, self.design.dtype), copy=False)
