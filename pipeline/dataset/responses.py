"""A subject's responses in a dataset, averaged over the repeats of each image."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from pipeline.dataset.kinds import is_matrices

# number of images in the stored sample of noise
NOISE_IMAGES = 1000


@dataclass(frozen=True)
class AveragedResponses:
    """Responses averaged over the presentations of each image.

    Attributes
    ----------
    nsd_id : (image,) int64, sorted
    responses : (image, voxel) float32, NaN where no presentation was valid
    n_repeats : (image,) int64, presentations
    n_valid_repeats : (image, voxel) uint8, presentations in sessions that covered the voxel
    noise_variance : (voxel,) float64, variance of single trials about the mean of their image, over
        all images, in the units of `responses`; NaN where no image has two valid trials
    noise_sample : (at most `NOISE_IMAGES` images, voxel) float32, noise of a single trial in
        evenly spaced images: first minus second trial, divided by √2; NaN where there are not two
    """

    nsd_id: np.ndarray
    responses: np.ndarray
    n_repeats: np.ndarray
    n_valid_repeats: np.ndarray
    noise_variance: np.ndarray
    noise_sample: np.ndarray

    @classmethod
    def without_repeats(cls, nsd_id: np.ndarray, responses: np.ndarray) -> AveragedResponses:
        """Wrap responses (image, voxel) whose single trials, and therefore noise, are unknown."""
        n_images, n_voxels = responses.shape
        return cls(
            nsd_id=nsd_id,
            responses=responses,
            n_repeats=np.ones(n_images, dtype=np.int64),
            n_valid_repeats=np.isfinite(responses).astype(np.uint8),
            noise_variance=np.full(n_voxels, np.nan),
            noise_sample=np.full((min(NOISE_IMAGES, n_images), n_voxels), np.nan, np.float32),
        )


class Responses(ABC):
    """A subject's responses in the space that the configuration names.

    A *voxel* is a C-order index into a volume (X, Y, Z), or into the vertices of the left and then
    the right hemisphere.

    Attributes
    ----------
    nsd_id : the images (image,) that have responses, int64, sorted
    voxel : the voxels (voxel,) that are modelled, int64, sorted
    geometry : `grid_shape` (X, Y, Z) with `affine` (4, 4), voxel to millimetres; or `grid_shape`
        (left, right) alone, the numbers of vertices
    simulated : whether they are simulated
    metadata : facts that results record about the responses, such as the number of sessions
    sources : {name: file} whose hashes results record
    zscored : whether they are z-scores, which can be stored in half precision: values of other
        units may vary too little around a large mean
    """

    zscored: ClassVar[bool] = False
    nsd_id: np.ndarray
    voxel: np.ndarray
    geometry: Mapping[str, np.ndarray]
    simulated: bool = False
    metadata: Mapping[str, Any] = {}
    sources: Mapping[str, Path] = {}

    @abstractmethod
    def averaged(self, voxel: np.ndarray) -> AveragedResponses:
        """Read the responses of some voxels (voxel,) to all images, and only these."""

    def ncsnr(self) -> np.ndarray | None:
        """Signal-to-noise ratio (voxel,) of single trials, of `voxel`; None if it is not known.

        From a noise ceiling c of responses averaged over n trials it is √(c / (1 - c) / n).
        """
        return None


def open_responses(folder: Path, subject: str, settings: Mapping[str, Any]) -> Responses:
    """Open the responses of a subject of the dataset in a folder.

    Parameters
    ----------
    settings : section `responses` of the configuration
    """
    if is_matrices(folder):
        from pipeline.matrices.responses import MatrixResponses

        return MatrixResponses.open(folder, subject)
    from pipeline.nsd.dataset.responses import NSDResponses

    return NSDResponses.open(folder, subject, settings)
