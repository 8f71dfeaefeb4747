"""What a fit would hold in memory if nothing limited it, by the sizes of its data alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace

import numpy as np

from encoding.ridge.design import Fold
from encoding.ridge.grid import SearchGrid
from encoding.ridge.memory import wanted_memory
from pipeline.configuration.fits import EncodingSettings


@dataclass(frozen=True)
class DesignSizes:
    """As much of `encoding.ridge.design.Design` as its memory depends on.

    Attributes
    ----------
    widths : features of each space
    workers : threads
    """

    n_images: int
    n_folds: int
    widths: Sequence[int]
    workers: int
    dtype: str = "float32"

    @cached_property
    def arrays(self) -> SimpleNamespace:
        return SimpleNamespace(workers=self.workers)

    @cached_property
    def folds(self) -> list[Fold]:
        bounds = np.linspace(0, self.n_images, self.n_folds + 1).astype(int).tolist()
        return [_fold(self.n_images, slice(*bound)) for bound in itertools.pairwise(bounds)]

    @property
    def n_features(self) -> int:
        return sum(self.widths)

    @cached_property
    def band_slices(self) -> list[slice]:
        ranks = [min(self.n_images, width) for width in self.widths]
        ends = list(itertools.accumulate(ranks, initial=0))
        return [slice(*bounds) for bounds in itertools.pairwise(ends)]

    @property
    def n_components(self) -> int:
        return self.band_slices[-1].stop

    def columns(self, weights: np.ndarray) -> tuple[np.ndarray, None]:
        return np.arange(self.n_components), None

    def compresses(self, fold: Fold) -> bool:
        return fold.n_validation > self.n_components


def _fold(n_images: int, validation: slice) -> Fold:
    n_train = n_images - (validation.stop - validation.start)
    return Fold(validation, n_train, np.empty(0))


def solver_needs(
    settings: EncodingSettings,
    n_folds: int,
    n_images: int,
    n_voxels: int,
    widths: Sequence[int],
    workers: int,
) -> float:
    """Bytes with which the solver keeps all decompositions and takes its largest blocks of voxels.

    Parameters
    ----------
    n_images : that are trained on
    widths : features of each space
    workers : threads
    """
    banded = len(widths) > 1 and settings.penalty == "banded"
    candidates = np.ones((settings.band_weight_samples if banded else 1, len(widths)))
    design = DesignSizes(n_images, n_folds, widths, workers)
    grid = SearchGrid(design, candidates, settings.alphas.values())
    return wanted_memory(grid, 1, n_voxels, settings.search)
