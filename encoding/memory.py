"""How many candidates and voxels are worked on at a time, so that a fit stays within its memory."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoding.gram import Design
from encoding.losses import ROWS
from encoding.operands import TILE
from encoding.search import Forms

# more voxels at a time gain nothing
MOST_VOXELS = 16 * TILE
MOST_OF_A_TASK = 4 * TILE


@dataclass(frozen=True)
class Plan:
    """Attributes
    ----------
    block_voxels : voxels of a block in the search, a multiple of TILE
    task_voxels : those of them that one task of the closed form or the window takes
    candidates : candidates whose decompositions are kept during the search
    candidates_in_closed_form : the same, if only those of all images are needed
    refit_factors : decompositions kept during the refit
    """

    block_voxels: int
    task_voxels: int
    candidates: int
    candidates_in_closed_form: int
    refit_factors: int

    @classmethod
    def of(
        cls,
        design: Design,
        candidates: np.ndarray,
        n_alphas: int,
        n_models: int,
        memory_bytes: float,
        search: str,
        forms: Forms,
    ) -> Plan:
        """Share the memory out: fixed first, then blocks of voxels, then decompositions.

        Raises
        ------
        ValueError
            A single tile of voxels and a single candidate do not fit.
        """
        size = _Sizes(design, candidates, n_alphas, n_models, search, forms)
        free = memory_bytes - size.fixed
        least = TILE * (size.voxel + size.task_voxel) + max(size.candidate, size.refit_factor)
        if free < least:
            raise ValueError(
                f"memory: {memory_bytes / 1e9:.2g} GB do not hold a fit of {design.n_images} images"
                f" and {design.n_features} features; it needs {(size.fixed + least) / 1e9:.2g} GB"
            )
        task = TILE * size.task_voxel
        tiles = int(np.clip(0.1 * free // max(task, 1), 1, MOST_OF_A_TASK // TILE))
        free -= tiles * task
        wanted = len(candidates) * (size.candidate + size.refit_factor)
        for_voxels = max(free - wanted, 0.4 * free)
        block = int(np.clip(for_voxels // (TILE * size.voxel), 1, MOST_VOXELS // TILE)) * TILE
        most = free - max(size.candidate, size.refit_factor)
        block = min(block, int(most // (TILE * size.voxel)) * TILE)
        kept = int(np.clip((free - block * size.voxel) // size.candidate, 1, len(candidates)))
        # candidates in parts are searched first and refitted when their decompositions are gone
        left = free - block * size.voxel - size.candidate * (kept if kept == len(candidates) else 0)
        refitted = max(1, int(left // size.refit_factor))
        whole = max(1, int((free - block * size.voxel) // size.refit_factor))
        return cls(block, tiles * TILE, kept, whole, refitted)


class _Sizes:
    """Bytes, at most: fixed, of a candidate's decompositions, of a voxel of a block or task."""

    def __init__(
        self,
        design: Design,
        candidates: np.ndarray,
        n_alphas: int,
        n_models: int,
        search: str,
        forms: Forms,
    ) -> None:
        self.item, self.task_voxel = np.dtype(design.dtype).itemsize, 0
        n, folds = design.n_images, len(design.folds) * (search != "gcv")
        widths = np.array([columns.stop - columns.start for columns in design.band_slices])
        largest = int(((candidates > 0) @ widths).max())
        dual = largest > n - max(fold.n_validation for fold in design.folds)
        component = min(largest, n)
        held = max(fold.n_validation for fold in design.folds)
        row, compressed = min(held, component), min(held, design.n_features)
        workers = design.arrays.workers
        grams = 8 * design.n_features**2 * (2 * folds + 2)
        kernels = 8 * n**2 * len(widths) + workers * 24 * n**2
        decomposing = workers * 8 * 5 * component**2
        # predictions at each penalty of a tile, and what makes them
        searched = workers * self.item * ROWS * n_alphas * (TILE + component)
        decomposing += searched if search == "exact" else 0
        deletes = folds > 0 and any(forms.deletes(design, row, n_alphas) for row in candidates)
        correcting = workers * self.item * (n_alphas + 5) * held**2
        decomposing = max(decomposing, correcting if deletes else 0)
        rows = (8 + self.item) * n * design.n_features
        self.fixed = rows + (kernels if dual else 0) + (0 if dual else grams) + decomposing
        operators = (n_alphas if forms.cholesky else 1) * component * row
        operators += compressed * row * forms.triangular
        rotation = (n if dual else component) * component
        self.refit_factor = self.item * (rotation + (n if dual else largest) * component)
        whole = self.refit_factor if search != "exact" else 0
        self.candidate = self.item * folds * (operators + rotation) + whole
        if deletes:
            deleted = n * component + folds * n_alphas * held**2
            self.candidate = max(self.candidate, self.item * deleted + self.refit_factor)
        task = workers * self.item * (2 * component + 3 * row)
        if search == "windowed":
            # what all folds of a task predict from
            task, self.task_voxel = 0, workers * self.item * folds * (component + row)
            # c of all images, and predictions before they are corrected
            self.task_voxel += workers * self.item * (component + 4 * row) * deletes
        operand = self.item * (folds + 1) * ((design.n_features if not dual else 0) + compressed)
        losses = self.item * len(candidates) * n_alphas * (folds + 1)
        read = 3 * self.item * n
        task += self.item * component * (deletes and search == "exact")
        weights = self.item * (n_models * design.n_features + 2 * component + 2 * largest)
        self.voxel = read + operand + task + losses + weights
