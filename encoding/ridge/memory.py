"""Numbers of candidates and voxels that are worked on at a time, within the memory of a fit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from encoding.ridge.block import PART
from encoding.ridge.design import Design
from encoding.ridge.grid import SearchGrid
from encoding.ridge.problem import Search
from encoding.ridge.validation_loss import ROWS

# more voxels at a time gain nothing
MOST_VOXELS = 16 * PART
MOST_OF_A_TASK = 4 * PART


@dataclass(frozen=True)
class Plan:
    """Sizes of the blocks and batches by which a search keeps within its memory.

    Attributes
    ----------
    block_voxels : voxels of a block in the search
    task_voxels : those of them that one task of the closed form or the window takes
    candidates : candidates whose decompositions are kept during the search
    keeps_all_images : whether those of all images are kept of every candidate, where those of folds
        are made of some at a time
    candidates_in_closed_form : candidates at a time, where they are made for the closed form alone
    refit_decompositions : decompositions kept during the refit
    """

    block_voxels: int
    task_voxels: int
    candidates: int
    keeps_all_images: bool
    candidates_in_closed_form: int
    refit_decompositions: int

    @classmethod
    def of(
        cls,
        grid: SearchGrid,
        n_models: int,
        memory_bytes: float,
        search: Search,
    ) -> Plan:
        """Share the memory out: fixed first, then blocks of voxels, then decompositions.

        Raises
        ------
        ValueError
            Some hundred voxels and a single candidate do not fit.
        """
        design, candidates = grid.design, grid.candidates
        size = _Sizes(grid, n_models, search)
        free = memory_bytes - size.fixed
        least = PART * (size.voxel + size.task_voxel) + max(
            size.candidate, size.refit_decomposition
        )
        if free < least:
            raise ValueError(
                f"memory: {memory_bytes / 1e9:.2g} GB do not hold a fit of {design.n_images} images"
                f" and {design.n_features} features; it needs {(size.fixed + least) / 1e9:.2g} GB"
            )
        task = PART * size.task_voxel
        parts = int(np.clip(0.1 * free // max(task, 1), 1, MOST_OF_A_TASK // PART))
        free -= parts * task
        requested = len(candidates) * (size.candidate + size.refit_decomposition)
        for_voxels = max(free - requested, 0.4 * free)
        block = int(np.clip(for_voxels // (PART * size.voxel), 1, MOST_VOXELS // PART)) * PART
        most = free - max(size.candidate, size.refit_decomposition)
        block = min(block, int(most // (PART * size.voxel)) * PART)
        free -= block * size.voxel
        kept = int(np.clip(free // size.candidate, 1, len(candidates)))
        beside = free - len(candidates) * size.all_images
        keeps_all_images = kept < len(candidates) and beside >= size.candidate
        if keeps_all_images:
            kept = int(beside // size.candidate)
        # candidates in parts are searched first and refitted when their decompositions are gone
        left = free - size.candidate * (kept if kept == len(candidates) else 0)
        refitted = max(1, int(left // size.refit_decomposition))
        n_refits = max(1, int(free // size.refit_decomposition))
        return cls(block, parts * PART, kept, keeps_all_images, n_refits, refitted)


def sufficient_memory(grid: SearchGrid, n_models: int, n_voxels: int, search: Search) -> float:
    """Return bytes with which a fit keeps all decompositions and uses its largest blocks of voxels.

    A fit works with less (see `Plan`); more makes it no faster.
    """
    size = _Sizes(grid, n_models, search)
    voxels = -(-n_voxels // PART) * PART
    decompositions = len(grid.candidates) * (size.candidate + size.refit_decomposition)
    blocks = min(MOST_VOXELS, voxels) * size.voxel + min(MOST_OF_A_TASK, voxels) * size.task_voxel
    return size.fixed + decompositions + blocks


def refitted_voxels(design: Design, candidates: np.ndarray, memory_bytes: float) -> int:
    """Return how many voxels are refitted at a time with candidates (candidate, band) of a search.

    Raises
    ------
    ValueError
        Some hundred voxels do not fit.
    """
    n, components, item = design.n_images, design.n_components, np.dtype(design.dtype).itemsize
    workers, widths = design.arrays.workers, [b.stop - b.start for b in design.band_slices]
    sizes = (candidates > 0) @ np.array(widths)
    # components as they are kept and in float64, Gram matrices, and what each thread factorises
    fixed = (item + 16) * n * components
    if (sizes <= n).any():
        fixed += 8 * components**2 * (workers + 3)
    if (sizes > n).any():
        fixed += 8 * n**2 * len(widths) + workers * 32 * n**2
    fixed += workers * 16 * min(int(sizes.max()), n) ** 2
    # responses, their products with components, and weights of components and of features
    voxel = 3 * item * n + (8 + item) * components + 2 * item * design.n_features
    if fixed + PART * voxel > memory_bytes:
        raise ValueError(
            f"memory: {memory_bytes / 1e9:.2g} GB do not hold a refit of {n} images and"
            f" {design.n_features} features; it needs {(fixed + PART * voxel) / 1e9:.2g} GB"
        )
    return int((memory_bytes - fixed) // (PART * voxel)) * PART


class _Sizes:
    """Bytes, at most: fixed, of a candidate's decompositions, of a voxel of a block or task."""

    def __init__(self, grid: SearchGrid, n_models: int, search: Search) -> None:
        design, candidates, n_alphas = grid.design, grid.candidates, len(grid.alphas)
        self.item, self.task_voxel = np.dtype(design.dtype).itemsize, 0
        n, folds = design.n_images, len(design.folds)
        widths = np.array([columns.stop - columns.start for columns in design.band_slices])
        largest = int(((candidates > 0) @ widths).max())
        held = max(fold.n_validation for fold in design.folds)
        dual = largest > n - held
        component = min(largest, n)
        row, compressed = min(held, component), min(held, design.n_components)
        workers = design.arrays.workers
        grams = 8 * design.n_components**2 * (2 * folds + 2)
        kernels = 8 * n**2 * len(widths) + workers * 24 * n**2
        decomposing = workers * 8 * 5 * component**2
        # predictions at each penalty of some voxels, and what makes them
        predicting = ROWS * ((n_alphas + 1) * PART + 2 * component)
        decomposing += workers * self.item * predicting
        decomposing += workers * self.item * 4 * component * row
        deletes = any(grid.deletes(row) for row in candidates)
        correcting = (n_alphas + 5) * held**2 + n_alphas * PART * held
        decomposing = max(decomposing, workers * self.item * correcting if deletes else 0)
        rows = (8 + self.item) * n * design.n_components
        self.fixed = rows + (kernels if dual else 0) + (0 if dual else grams) + decomposing
        operators = (n_alphas if grid.cholesky else 1) * component * row
        rotation = (n if dual else component) * component
        self.refit_decomposition = self.item * (rotation + largest * component)
        refit = self.refit_decomposition if search != "exact" else 0
        self.candidate = self.item * folds * (operators + rotation) + refit
        if deletes:
            deleted = n * component + folds * (n_alphas + 1) * held**2
            self.candidate = max(self.candidate, self.item * deleted + self.refit_decomposition)
        self.all_images = self.refit_decomposition + self.item * n * component * deletes
        task = workers * self.item * (2 * component + 3 * row)
        if search == "windowed":
            # what all folds of a task predict from
            self.task_voxel = workers * self.item * folds * (component + row)
            # c of all images, and predictions before they are corrected
            self.task_voxel += workers * self.item * (component + 4 * row) * deletes
        operand = self.item * (folds + 1) * ((design.n_components if not dual else 0) + compressed)
        losses = max(self.item * (folds + 1), 8) * len(candidates) * n_alphas
        losses *= 2 if search == "windowed" else 1
        read = 3 * self.item * n
        task += self.item * component * (deletes and search == "exact")
        weights = n_models * (design.n_components + design.n_features) + 2 * component + 2 * largest
        self.voxel = read + operand + task + losses + self.item * weights
