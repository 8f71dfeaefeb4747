"""Memory that a fit would use without a limit, from the sizes of its data alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import cast

import numpy as np

from encoding.ridge.backend import Array
from encoding.ridge.design import Design, Fold
from encoding.ridge.grid import SearchGrid
from encoding.ridge.memory import sufficient_memory
from pipeline.configuration.fits import EncodingSettings


@dataclass(frozen=True)
class DesignSizes:
    """The properties of `encoding.ridge.design.Design` on which its memory depends.

    Attributes
    ----------
    widths : number of features of each space
    workers : number of threads
    """

    n_images: int
    n_folds: int
    widths: Sequence[int]
    workers: int
    dtype: str = "float32"

    @cached_property
    def arrays(self) -> SimpleNamespace:
        """The number of threads, where `Design` has it."""
        return SimpleNamespace(workers=self.workers)

    @cached_property
    def folds(self) -> list[Fold]:
        """Folds of equal size."""
        bounds = np.linspace(0, self.n_images, self.n_folds + 1).astype(int).tolist()
        return [_fold(self.n_images, slice(*bound)) for bound in itertools.pairwise(bounds)]

    @property
    def n_features(self) -> int:
        """Number of features of all spaces."""
        return sum(self.widths)

    @cached_property
    def band_slices(self) -> list[slice]:
        """Columns of each space's components."""
        ranks = [min(self.n_images, width) for width in self.widths]
        ends = list(itertools.accumulate(ranks, initial=0))
        return [slice(*bounds) for bounds in itertools.pairwise(ends)]

    @property
    def n_components(self) -> int:
        """Number of components of all spaces."""
        return self.band_slices[-1].stop

    def columns(self, weights: np.ndarray) -> tuple[np.ndarray, None]:
        """Return all columns, as for weights without zeros."""
        return np.arange(self.n_components), None

    def compresses(self, fold: Fold) -> bool:
        """Test whether a fold has more validation images than there are components."""
        return fold.n_validation > self.n_components


def _fold(n_images: int, validation: slice) -> Fold:
    n_train = n_images - (validation.stop - validation.start)
    return Fold(validation, n_train, cast(Array, np.empty(0)))


def solver_needs(
    settings: EncodingSettings,
    n_folds: int,
    n_images: int,
    n_voxels: int,
    widths: Sequence[int],
    workers: int,
) -> float:
    """Return bytes with which a fit keeps all decompositions and uses its largest blocks.

    Parameters
    ----------
    n_images : number of training images
    widths : number of features of each space
    workers : number of threads
    """
    banded = len(widths) > 1 and settings.penalty == "banded"
    candidates = np.ones((settings.band_weight_samples if banded else 1, len(widths)))
    design = DesignSizes(n_images, n_folds, widths, workers)
    grid = SearchGrid(cast(Design, design), candidates, settings.alphas.values())
    return sufficient_memory(grid, 1, n_voxels, settings.search)
