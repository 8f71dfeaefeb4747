"""The windowed search: closed forms say which candidates and penalties are cross-validated.

Generalised cross-validation estimates the error of every candidate and penalty without folds. Its
difference between candidates is that of k-fold cross-validation up to a few n-ths of the error, so
that a candidate that is far behind need not be scored (`in_contention`). Of the others, the penalty
that it points to and its neighbours are scored by k-fold cross-validation, then the neighbours of
the best, until the best has been scored between two others: where a curve has one minimum, the pick
is that of the exact search.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from encoding.gram import Design
from encoding.losses import LANE, HeldOut
from encoding.operands import TILE
from encoding.responses import Block
from encoding.search import TASKS_OF_A_WORKER, CandidateFactors, best_penalty, used

# n-ths of its error by which the closed form may misjudge a candidate, where images have like
# leverage: on simulated data (700 to 4,000 images, 150 to 3,000 features) no winner of k-fold
# cross-validation was further behind. The closed form takes leverages for equal: doubt grows as
# they are not
MISJUDGED = 32
# of a loss: an end of the window that is as good as the best, up to this, is no end; of a voxel's
# variance: what rounding may do to the closed form
ROUNDING = 1e-6


def in_contention(
    design: Design, scores: np.ndarray, choices: Iterable[np.ndarray], variance: np.ndarray
) -> np.ndarray:
    """Whether a candidate may be the best of some model, (candidate, voxel) bool.

    Parameters
    ----------
    scores : (candidate, voxel) minus the mean squared error by generalised cross-validation
    choices : candidates (index,) that each model picks from
    variance : (voxel,) of the responses
    """
    wanted = np.zeros(scores.shape, dtype=bool)
    doubt = MISJUDGED * design.unevenness / design.n_images
    for model in choices:
        errors = -scores[model]
        limit = errors.min(axis=0) * (1 + doubt) + ROUNDING * variance
        # infinite: no degree of freedom is left, the closed form knows nothing
        wanted[model] |= (errors <= limit) | np.isinf(errors)
    return wanted


def search_window(
    block: Block,
    candidates: list[CandidateFactors],
    alphas: np.ndarray,
    start: np.ndarray,
    wanted: np.ndarray,
    task_voxels: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Best penalty of the wanted candidates, for each voxel of the block.

    Parameters
    ----------
    alphas : (alpha,) ascending
    start : (candidate, voxel) indices of penalties, where to begin
    wanted : (candidate, voxel) bool
    task_voxels : at most so many are taken by a task

    Returns
    -------
    score, alpha : (candidate, voxel), see `encoding.search.search_block`; the score of a candidate
        that is not wanted is minus infinity
    """
    block.operands.prepare(used(block.operands.design, candidates))
    scores, picks = np.full(start.shape, -np.inf), start.copy()
    workers = block.operands.design.arrays.workers
    size = _whole_tiles(-(-np.count_nonzero(wanted) // (TASKS_OF_A_WORKER * workers)))
    size = min(max(size, TILE), task_voxels)
    tasks = [
        (candidate, voxels[first : first + size])
        for candidate, voxels in enumerate(map(np.flatnonzero, wanted))
        for first in range(0, len(voxels), size)
    ]

    def descend(task: tuple[int, np.ndarray]) -> None:
        candidate, voxels = task
        found = _descend(block, voxels, candidates[candidate], alphas, start[candidate, voxels])
        scores[candidate, voxels], picks[candidate, voxels] = found

    block.operands.design.arrays.map(descend, tasks)
    return scores, picks


def _whole_tiles(size: int) -> int:
    return -(-size // TILE) * TILE


def _descend(
    block: Block,
    voxels: np.ndarray,
    candidate: CandidateFactors,
    alphas: np.ndarray,
    start: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Score and penalty (voxel,) of the minimum that `start` (voxel,) leads to."""
    # whole tiles: some voxels come twice
    places = np.resize(block.places[voxels], _whole_tiles(len(voxels)))
    operands, whole = block.operands.part(places), None
    if candidate.deleted:
        whole = operands.rotated(operands.design.whole, candidate.whole[0])
    folds = [HeldOut(operands, k, factors, whole) for k, factors in enumerate(candidate.folds)]
    losses, penalty = np.full((len(alphas), len(voxels)), np.inf), np.arange(len(alphas))[:, None]
    tried, end = np.zeros(losses.shape, dtype=bool), len(alphas) - 1
    # few voxels go far: strides that grow keep the products full
    first, last, step = np.maximum(start - 1, 0), np.minimum(start + 1, end), 1
    while (wanted := (first <= penalty) & (penalty <= last) & ~tried).any():
        at, which = np.nonzero(wanted)
        lane = TILE if step == 1 else LANE
        found = [fold.losses(which, at, lane) for fold in folds]
        losses[at, which] = np.mean(found, axis=0, dtype=np.float64)
        tried |= wanted
        good = losses.min(axis=0) * (1 + ROUNDING)
        down = np.take_along_axis(losses, first[None], 0)[0] <= good
        up = np.take_along_axis(losses, last[None], 0)[0] <= good
        first, last = np.maximum(first - step * down, 0), np.minimum(last + step * up, end)
        step *= 2
    score, pick = best_penalty(losses[None], alphas)
    return score[0], pick[0]
