"""The model of what was picked, fitted on all images."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np

from encoding.ridge.block import PART
from encoding.ridge.decompose import decompose_all
from encoding.ridge.decomposition import AllImagesDecomposition
from encoding.ridge.grid import SearchGrid, prepare_design
from encoding.ridge.responses import VoxelBlock


class Refit:
    """Weights of picked candidates and penalties; the latest decompositions are kept.

    Parameters
    ----------
    n_kept : decompositions to keep
    """

    def __init__(self, grid: SearchGrid, n_kept: int) -> None:
        self.grid, self.design, self.n_kept = grid, grid.design, n_kept
        self._kept: OrderedDict[int, list[AllImagesDecomposition]] = OrderedDict()

    def coefficients(
        self, block: VoxelBlock, chosen: dict[str, np.ndarray], picks: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Weights (feature, voxel) of each model's choice.

        Parameters
        ----------
        chosen : {model: (voxel,) candidate}
        picks : (candidate, voxel) index of the penalty
        """
        shape = self.design.n_components, len(block.voxels)
        weights = {name: np.zeros(shape, self.design.dtype) for name in chosen}
        used = np.unique(np.concatenate(list(chosen.values())))
        self._decompose(used)
        for candidate in used:
            for decomposition in self._decompositions(candidate):
                served = np.isin(picks[candidate], decomposition.alpha_indices)
                takers = {name: served & (model == candidate) for name, model in chosen.items()}
                voxels = np.flatnonzero(np.any(list(takers.values()), axis=0))
                if len(voxels):
                    found = self._weights(block, decomposition, picks[candidate], voxels)
                    for name, taken in takers.items():
                        mine = taken[voxels]
                        target = np.ix_(decomposition.columns, voxels[mine])
                        weights[name][target] = found[mine].T
        return {name: self.design.feature_weights(found) for name, found in weights.items()}

    def _weights(
        self,
        block: VoxelBlock,
        decomposition: AllImagesDecomposition,
        picks: np.ndarray,
        voxels: np.ndarray,
    ) -> np.ndarray:
        """(voxel, component with weight) for `voxels` of the block."""
        arrays, centred = self.design.arrays, block.centred
        centred.prepare([(self.design.all_images, decomposition)])
        part = centred.part(voxels)
        operand = part.operand(self.design.all_images, decomposition)
        weights = np.empty((len(voxels), len(decomposition.columns)), self.design.dtype)

        def weigh(start: int) -> None:
            here = slice(start, start + PART)
            rotated = operand[here] @ decomposition.rotation
            rotated *= arrays.asarray(
                decomposition.shrinkage(self.grid.alphas[picks[voxels[here]]]), decomposition.dtype
            )
            weights[here] = arrays.to_numpy(rotated @ decomposition.operators)

        arrays.map(weigh, range(0, len(voxels), PART))
        return weights

    def keep(self, all_images: dict[int, list[AllImagesDecomposition]]) -> None:
        """Take over the search's decompositions of all images, {candidate: those}."""
        self.n_kept = max(self.n_kept, len(all_images))
        self._kept.update(all_images)

    def _decompositions(self, candidate: int) -> list[AllImagesDecomposition]:
        if candidate not in self._kept:
            self._decompose(np.array([candidate]))
        self._kept.move_to_end(candidate)
        return self._kept[candidate]

    def _decompose(self, candidates: np.ndarray) -> None:
        """Decompose what is not kept, side by side, as far as there is room."""
        new = [c for c in candidates.tolist() if c not in self._kept][: self.n_kept]
        design, candidates, alphas = self.design, self.grid.candidates, self.grid.alphas
        prepare_design(design, candidates[new], [design.all_images])
        decompositions = design.arrays.map(
            lambda c: decompose_all(design, candidates[c], alphas), new
        )
        for candidate, found in zip(new, decompositions, strict=True):
            while len(self._kept) >= self.n_kept:
                self._kept.popitem(last=False)
            self._kept[candidate] = found
