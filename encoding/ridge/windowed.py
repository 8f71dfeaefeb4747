"""The windowed search: closed forms say which candidates and penalties are cross-validated.

Generalised cross-validation (GCV) estimates the error of every candidate and penalty without folds.
Its difference between candidates is that of k-fold cross-validation up to a few n-ths of the error,
so that a candidate that is far behind need not be scored (`contention_limits`). Of the others, the
penalty that it points to, its neighbours and a few farther ones are scored by k-fold
cross-validation, then the neighbours of the best, until these are no better (`search_window`).

GCV takes images for exchangeable. It misleads where errors depend on one another within folds, or a
few images outweigh the others. This shows in what was scored: there, k-fold errors and GCV differ
by an amount that itself differs between candidates and penalties (`Window.disagreement`). Voxels in
which it differs too much are searched exactly (`must_be_exact`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from encoding.ridge.block import PART, CentredResponses
from encoding.ridge.decomposition import DeletedFold
from encoding.ridge.design import Design
from encoding.ridge.grid import CandidateDecompositions, SearchGrid
from encoding.ridge.responses import VoxelBlock
from encoding.ridge.search import (
    TASKS_OF_A_WORKER,
    Found,
    best_penalty,
    closed_form_errors,
    search_exactly,
    used,
)
from encoding.ridge.validation_loss import HeldOut

# n-ths of its error by which the closed form may misjudge a candidate, where images have like
# leverage: on simulated data (700 to 4,000 images, 150 to 3,000 features) no winner of k-fold
# cross-validation was further behind. The closed form takes leverages for equal: doubt grows as
# they are not
MISJUDGED = 32
# the same where no candidate explains more of the variance than the closed form may misjudge, and
# one hundredth at most: all candidates would be in contention, and errors of judgement are as small
# as what candidates explain
MISJUDGED_WEAK, WEAK = 4, 0.01
# disagreement of k-fold errors with the closed form's, as a share of the doubt where leverages are
# alike, up to which what it ruled out is not looked at
TRUSTED = 2
# multiplications of the exact search for a voxel, candidate and fold, below which windows gain
# nothing
SMALL = 2e6
# penalties that the exact search predicts at, of however many
PREDICTED = 16
# voxels that are searched by windows before all others: these, or one in so many; and the share of
# them that sends all others to the exact search
PILOT, PILOT_SHARE, MANY = 32, 32, 0.1
# decades between penalties that are tried first
STRIDE = 1.0
# share of the doubt by which a minimum of what was tried may be above the least to be followed
NEAR = 0.25
# of a voxel's variance: what rounding may do to the closed form
ROUNDING = 1e-6


def doubt(design: Design) -> float:
    """Share of its error by which the closed form may misjudge a candidate."""
    return MISJUDGED * design.unevenness / design.n_images


def contention_limits(
    design: Design, scores: np.ndarray, choices: Iterable[np.ndarray], variance: np.ndarray
) -> np.ndarray:
    """Error by the closed form up to which a candidate may be the best, (candidate, voxel).

    The largest over the models that may pick the candidate. Where no candidate is clearly better
    than the mean response, limits are close to the lowest error: in a voxel that holds only noise,
    all candidates are about as good, and scoring each of them would decide nothing.

    Parameters
    ----------
    scores : (candidate, voxel) minus the mean squared error by generalised cross-validation
    choices : candidates (index,) that each model picks from
    variance : (voxel,) of the responses
    """
    limits = np.zeros(scores.shape)
    of_the_mean = variance / (1 - design.fit_intercept / design.n_images) ** 2
    for model in choices:
        errors = -scores[model]
        lowest = errors.min(axis=0)
        weak = lowest >= of_the_mean * (1 - min(doubt(design), WEAK))
        misjudged = np.where(weak, MISJUDGED_WEAK / MISJUDGED, 1) * doubt(design)
        # infinite: no degree of freedom is left, the closed form knows nothing
        limit = lowest * (1 + misjudged) + ROUNDING * variance
        limits[model] = np.maximum(limits[model], np.where(np.isinf(errors), np.inf, limit))
    return limits


@dataclass(frozen=True)
class Window:
    """Result of a windowed search.

    Attributes
    ----------
    score, pick : (candidate, voxel), see `search.best_penalty`; the score of a candidate
        that was ruled out is minus infinity
    least, most : (candidate, voxel) of k-fold errors minus GCV, over the penalties that were scored
    """

    score: np.ndarray
    pick: np.ndarray
    least: np.ndarray
    most: np.ndarray

    @classmethod
    def empty(cls, start: np.ndarray) -> Window:
        """Nothing is scored; `start` (candidate, voxel) stands for the picks."""
        infinite = np.full(start.shape, np.inf)
        return cls(-infinite, start.copy(), infinite.copy(), -infinite)

    def fill(self, here: tuple[slice, np.ndarray], found: Window) -> None:
        """Put in what was found of some candidates and voxels."""
        for name, values in vars(self).items():
            values[here] = getattr(found, name)

    def disagreement(self) -> np.ndarray:
        """Range of k-fold errors minus GCV over all that was scored, by the least error."""
        return (self.most.max(axis=0) - self.least.min(axis=0)) / -self.score.max(axis=0)


def must_be_exact(design: Design, window: Window) -> np.ndarray:
    """Find voxels (voxel,) in which the closed form misled, or may have.

    Unequal leverages let folds and closed form differ by chance, but less than the doubt grows.
    """
    trusted = TRUSTED * MISJUDGED * np.sqrt(design.unevenness) / design.n_images
    return window.disagreement() > trusted


def search_windowed(
    block: VoxelBlock,
    grid: SearchGrid,
    candidates: list[CandidateDecompositions],
    choices: Sequence[np.ndarray],
    task_voxels: int,
) -> Found:
    """Search windows first, then exactly what they leave.

    Some voxels of the block go first: if many of them are left, or windows cost more than the exact
    search, all are searched exactly.

    Parameters
    ----------
    choices : candidates (index,) that each model picks from
    task_voxels : at most so many are taken by a task
    """
    alphas = grid.alphas
    centred, n_voxels = block.centred, len(block.voxels)
    all_images = (
        (centred.design.all_images, decomposition)
        for each in candidates
        for decomposition in each.all_images
    )
    centred.prepare([*all_images, *used(centred.design, candidates)])
    found = Found.empty((len(candidates), n_voxels))
    first = np.unique(np.linspace(0, n_voxels - 1, max(PILOT, n_voxels // PILOT_SHARE)).astype(int))
    left = np.zeros(n_voxels, bool)
    for voxels in (first, np.setdiff1d(np.arange(n_voxels), first)):
        if not len(voxels):
            continue
        part, design = centred.part(voxels), centred.design
        curves = closed_form_errors(part, candidates, len(alphas), task_voxels)
        scores = best_penalty(curves, alphas)[0]
        limits = contention_limits(design, scores, choices, block.variance[voxels])
        if voxels is first and not windows_pay(grid, candidates, curves, limits):
            left[:] = True
            break
        window = search_window(part, alphas, candidates, curves, limits, task_voxels)
        found.score[:, voxels], found.pick[:, voxels] = window.score, window.pick
        left[voxels] = must_be_exact(design, window)
        if voxels is first and left[first].mean() > MANY:
            left[:] = True
            break
    if left.any():
        part = centred if left.all() else centred.part(np.flatnonzero(left))
        found.fill((slice(None), left), search_exactly(part, candidates, alphas))
    return found


def is_small(grid: SearchGrid) -> bool:
    """Test whether the exact search takes no longer than finding out what may be left out."""
    design, n_alphas = grid.design, len(grid.alphas)
    widths = [columns.stop - columns.start for columns in design.band_slices]
    p = np.minimum((grid.candidates > 0) @ widths, design.n_images)
    rows = np.minimum(design.folds[0].n_validation, p)
    return float(np.mean(p * (p + min(n_alphas, PREDICTED) / 2 * rows))) < SMALL


def windows_pay(
    grid: SearchGrid,
    candidates: list[CandidateDecompositions],
    curves: np.ndarray,
    limits: np.ndarray,
) -> bool:
    """Test whether windows cost less than the exact search, by multiplications of some voxels.

    Parameters
    ----------
    curves : (candidate, alpha, voxel) errors by the closed form
    limits : (candidate, voxel), see `contention_limits`
    """
    design, alphas = grid.design, grid.alphas
    windows = exact = 0.0
    near = curves <= limits[:, None]
    for candidate, close in zip(candidates, near, strict=True):
        voxels = np.count_nonzero(close.any(axis=0))
        pairs = np.count_nonzero(close) / stride(alphas) + max(2, stride(alphas)) * voxels
        for decomposition in itertools.chain(*candidate.folds):
            rows, p = design.folds[0].n_validation, len(decomposition.columns)
            share = len(decomposition.alphas) / len(alphas)
            product = p * min(rows, design.n_components)
            rotation = p * rows if isinstance(decomposition, DeletedFold) else p**2
            windows += voxels * rotation + share * pairs * product
            half = 0.5
            exact += close.shape[1] * (
                rotation + rows**2 + half * len(decomposition.basis()[0]) * product
            )
    return windows < exact


def stride(alphas: np.ndarray) -> int:
    """Return the stride of the coarse grid of penalties that is tried first."""
    decades = np.log10(alphas[-1] / alphas[0]) / max(len(alphas) - 1, 1)
    return max(1, round(STRIDE / decades)) if decades else 1


def search_window(
    centred: CentredResponses,
    alphas: np.ndarray,
    candidates: list[CandidateDecompositions],
    curves: np.ndarray,
    limits: np.ndarray,
    task_voxels: int,
) -> Window:
    """Best penalty of the candidates in contention, for each voxel.

    Parameters
    ----------
    alphas : (alpha,) ascending
    curves : (candidate, alpha, voxel) errors by generalised cross-validation
    limits : (candidate, voxel), see `contention_limits`
    task_voxels : at most so many are taken by a task
    """
    centred.prepare(used(centred.design, candidates))
    scores, start = best_penalty(curves, alphas)
    found, requested = Window.empty(start), -scores <= limits
    workers = centred.design.arrays.workers
    size = -(-int(np.count_nonzero(requested)) // (TASKS_OF_A_WORKER * workers))
    size = min(max(size, PART), task_voxels)
    tasks = [
        (candidate, voxels[first : first + size])
        for candidate, voxels in enumerate(map(np.flatnonzero, requested))
        for first in range(0, len(voxels), size)
    ]

    def descend(task: tuple[int, np.ndarray]) -> None:
        candidate, voxels = task
        curve = curves[candidate][:, voxels]
        losses = _descend(
            centred.part(voxels),
            candidates[candidate],
            curve,
            limits[candidate, voxels],
            stride(alphas),
        )
        score, pick = best_penalty(losses[None], alphas)
        found.score[candidate, voxels], found.pick[candidate, voxels] = score[0], pick[0]
        known = np.isfinite(losses) & np.isfinite(curve)
        gap = np.where(known, losses - np.where(known, curve, 0), np.nan)
        found.least[candidate, voxels] = np.nanmin(gap, axis=0)
        found.most[candidate, voxels] = np.nanmax(gap, axis=0)

    centred.design.arrays.map(descend, tasks)
    return found


def _descend(
    centred: CentredResponses,
    candidate: CandidateDecompositions,
    curve: np.ndarray,
    limit: np.ndarray,
    stride: int,
) -> np.ndarray:
    """Losses (alpha, voxel) of penalties on the way to the minimum; infinite where none was tried.

    Begins with the minimum of the closed form's curve (alpha, voxel) and its neighbours, and every
    `stride`-th penalty at which the curve is at or below `limit` (voxel,): where little is
    explained, k-fold errors may have another minimum there. Goes on from each minimum of what was
    tried that may become the least, until its neighbours are no better.
    """
    all_images = None
    if candidate.deleted:
        all_images = centred.rotated(centred.design.all_images, candidate.all_images[0])
    folds = [
        HeldOut(centred, k, decompositions, all_images)
        for k, decompositions in enumerate(candidate.folds)
    ]
    away = abs(np.arange(len(curve))[:, None] - curve.argmin(axis=0))
    requested = (away <= 1) | ((away % stride == 0) & (curve <= limit))
    losses = np.full(curve.shape, np.inf)
    near = 1 + NEAR * doubt(centred.design)
    while requested.any():
        at, which = np.nonzero(requested)
        found = [fold.losses(which, at) for fold in folds]
        losses[at, which] = np.mean(found, axis=0, dtype=np.float64)
        lowest = _minima(losses) & (losses <= losses.min(axis=0) * near)
        requested = lowest.copy()
        requested[1:] |= lowest[:-1]
        requested[:-1] |= lowest[1:]
        requested &= np.isinf(losses)
    return losses


def _minima(losses: np.ndarray) -> np.ndarray:
    """Find losses (alpha, voxel) that are no larger than those next to them; infinite: unknown."""
    lower = np.ones(losses.shape, bool)
    for order in (1, -1):
        before = np.full(losses.shape[1], np.inf)
        for here, values in zip(lower[::order], losses[::order], strict=True):
            here &= values <= before
            before = np.where(np.isinf(values), before, values)
    return lower & np.isfinite(losses)
