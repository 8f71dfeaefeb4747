"""The search of every block of voxels, with as many decompositions at a time as memory holds."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from encoding.ridge.decomposition import AllImagesDecomposition
from encoding.ridge.grid import (
    CandidateDecompositions,
    SearchGrid,
    decompose_all_images,
    decompose_candidates,
    without_images,
)
from encoding.ridge.memory import Plan
from encoding.ridge.problem import Search
from encoding.ridge.responses import ResponseBlocks, VoxelBlock
from encoding.ridge.search import Found, best_penalty, closed_form_errors, search_exactly
from encoding.ridge.windowed import (
    Window,
    contention_limits,
    is_small,
    must_be_exact,
    search_window,
    search_windowed,
)

# progress of long searches, before the first voxel is done
LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class BlockSearch:
    """Candidates and penalties of a grid, searched for the voxels of one pattern.

    Attributes
    ----------
    choices : candidates (index,) that each model picks from
    keep : takes {candidate: candidates of all images} that stay in memory, for the refit
    """

    blocks: ResponseBlocks
    grid: SearchGrid
    choices: Sequence[np.ndarray]
    plan: Plan
    search: Search
    keep: Callable[[dict[int, list[AllImagesDecomposition]]], None]

    def blocks_and_found(self) -> Iterator[tuple[VoxelBlock, Found]]:
        """Each block of voxels and what was found for it.

        Responses are read once if all decompositions fit in memory, else once for each part of
        them.
        """
        windowed = self.search == "windowed" and not is_small(self.grid)
        at_once = self.plan.candidates == len(self.grid.candidates)
        yield from (self._at_once if at_once else self._by_parts)(windowed)

    def _at_once(self, windowed: bool) -> Iterator[tuple[VoxelBlock, Found]]:
        grid, plan = self.grid, self.plan
        candidates = decompose_candidates(grid, of_all=windowed)
        self.keep(
            {
                k: candidate.all_images
                for k, candidate in enumerate(candidates)
                if candidate.all_images
            }
        )
        for block in self.blocks.read(plan.block_voxels):
            if windowed:
                found = search_windowed(block, grid, candidates, self.choices, plan.task_voxels)
            else:
                found = search_exactly(block.centred, candidates, grid.alphas)
            yield block, found

    def _by_parts(self, windowed: bool) -> Iterator[tuple[VoxelBlock, Found]]:
        """Search with a few candidates at a time."""
        n_candidates, n_voxels = len(self.grid.candidates), self.blocks.responses.shape[1]
        of_all_images: list[list[AllImagesDecomposition]] = []
        if self.plan.keeps_all_images:
            of_all_images += decompose_all_images(self.grid)
            self.keep({k: without_images(all_images) for k, all_images in enumerate(of_all_images)})
        kept = Found.empty((n_candidates, n_voxels))
        exact = np.ones(n_voxels, bool)
        if windowed:
            exact = self._window_by_parts(of_all_images, kept)
        if exact.any():
            for part, candidates in self._decomposed(
                self.plan.candidates, of_all_images, of_all=False
            ):
                for block in self.blocks.read(self.plan.block_voxels, exact):
                    found = search_exactly(block.centred, candidates, self.grid.alphas)
                    kept.fill((part, block.voxels), found)
        kept.exact[:] = exact
        of_all_images.clear()
        for block in self.blocks.read(self.plan.block_voxels):
            yield block, kept.of(block.voxels)

    def _window_by_parts(
        self, of_all_images: list[list[AllImagesDecomposition]], kept: Found
    ) -> np.ndarray:
        """Fill `kept` by windows, all candidates judged by closed form first.

        Returns
        -------
        (voxel,) which are left to the exact search
        """
        design, plan, alphas = self.grid.design, self.plan, self.grid.alphas
        variance = np.ones(kept.score.shape[1])
        n_candidates = len(self.grid.candidates)
        at_a_time = n_candidates if plan.keeps_all_images else plan.candidates_in_closed_form
        for part, candidates in self._decomposed(at_a_time, of_all_images, of_folds=False):
            for block in self.blocks.read(plan.block_voxels):
                curves = closed_form_errors(
                    block.centred, candidates, len(alphas), plan.task_voxels
                )
                kept.score[part, block.voxels] = best_penalty(curves, alphas)[0]
                variance[block.voxels] = block.variance
            # before the next are made
            del candidates
        limits = contention_limits(design, kept.score, self.choices, variance)
        window = Window.empty(kept.pick)
        for part, candidates in self._decomposed(plan.candidates, of_all_images):
            for block in self.blocks.read(plan.block_voxels):
                here = part, block.voxels
                curves = closed_form_errors(
                    block.centred, candidates, len(alphas), plan.task_voxels
                )
                found = search_window(
                    block.centred, alphas, candidates, curves, limits[here], plan.task_voxels
                )
                window.fill(here, found)
            del candidates
        kept.score[:], kept.pick[:] = window.score, window.pick
        return must_be_exact(design, window)

    def _decomposed(
        self,
        n: int,
        of_all_images: list[list[AllImagesDecomposition]],
        of_folds: bool = True,
        of_all: bool = True,
    ) -> Iterator[tuple[slice, list[CandidateDecompositions]]]:
        """Yield candidates and their decompositions, `n` at a time."""
        n_candidates = len(self.grid.candidates)
        method = "windows" if of_folds and of_all else "exact" if of_folds else "closed form"
        for first in range(0, n_candidates, n):
            last = min(first + n, n_candidates)
            LOG.info("%s: candidates %d to %d of %d", method, first + 1, last, n_candidates)
            part = slice(first, first + n)
            yield (
                part,
                decompose_candidates(self.grid.part(part), of_folds, of_all, of_all_images[part]),
            )
