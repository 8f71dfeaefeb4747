"""A problem of banded ridge: what is fitted to what, what is tried, and how it is computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from encoding.ridge.candidates import CandidatePool


class Responses(Protocol):
    """(image, voxel): an array, or anything that is sliced like one."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of images and voxels."""

    def __getitem__(self, key: Any, /) -> np.ndarray: ...


Search = Literal["exact", "windowed"]
SEARCHES: tuple[Search, ...] = ("exact", "windowed")
Dtype = Literal["float32", "float64"]
MissingImages = Literal["available", "exclude"]
DEFAULT_MEMORY = 8e9


@dataclass(frozen=True)
class Options:
    """Options of the computation, which do not change what is computed.

    Attributes
    ----------
    search : `exact` scores every candidate and penalty by k-fold cross-validation; `windowed`
        those in which generalised cross-validation leaves a minimum to find, and all where the two
        disagree
    backend : "numpy", "torch" or "torch_cuda"
    dtype : of the products with voxels, "float32" or "float64"; what float32 cannot hold is
        computed in float64 all the same
    matmul_precision : "highest", or "high" (TF32) or "medium" (bfloat16) with torch
    memory_bytes : what a fit may hold beside the bands and responses that it is given
    missing : voxels that lack some images (NaN) are fitted on the images they have ("available")
        or left out ("exclude")
    cholesky : solve for each penalty instead of an eigendecomposition for all; None: on a GPU
    deletion : take folds out of one decomposition of all images instead of decomposing each (see
        `fold_deletion.py`); None: where it costs less
    workers : threads of the numpy backend; None: as many as BLAS uses
    fit_intercept : without, features and responses must have zero mean
    """

    search: Search = "windowed"
    backend: str = "numpy"
    dtype: Dtype = "float32"
    matmul_precision: str = "highest"
    memory_bytes: float = DEFAULT_MEMORY
    missing: MissingImages = "available"
    cholesky: bool | None = None
    deletion: bool | None = None
    workers: int | None = None
    fit_intercept: bool = True

    def __post_init__(self) -> None:
        for name, known in {
            "search": SEARCHES,
            "dtype": ("float32", "float64"),
            "missing": ("available", "exclude"),
        }.items():
            if getattr(self, name) not in known:
                value = getattr(self, name)
                raise ValueError(f"unknown {name} '{value}'; choose {', '.join(known)}")

    @property
    def precision(self) -> str:
        """Precision of products with voxels: `dtype`, or the format that torch may round to."""
        return {"high": "tf32", "medium": "bfloat16"}.get(self.matmul_precision, self.dtype)


DEFAULTS = Options()


@dataclass(frozen=True)
class Problem:
    """Encoding models of some subsets of the bands, and what is tried to fit them.

    Attributes
    ----------
    bands : {feature space: (image, feature)}, scaled (see `FeatureScaling`); at least one
    responses : (image, voxel), an array or anything that is sliced like one; voxels without
        variance are left out, their fit is NaN
    folds : (image,) integers, the fold in which an image validates; negative: in none
    alphas : (alpha,) candidate penalties, above 0
    models : {model: its bands}
    candidates : {model: band weights (candidate, band of the model)}, see `draw_band_weights`
    inherit : whether a model picks from the candidates of smaller models too, those whose bands it
        contains

    Raises
    ------
    ValueError
        Shapes disagree, the features are not finite, or penalties are out of their range.
    """

    bands: Mapping[str, np.ndarray]
    responses: Responses
    folds: np.ndarray
    alphas: np.ndarray
    models: Mapping[str, Sequence[str]]
    candidates: Mapping[str, np.ndarray]
    options: Options = DEFAULTS
    inherit: bool = True

    def __post_init__(self) -> None:
        bands = {name: np.asarray(band) for name, band in self.bands.items()}
        object.__setattr__(self, "bands", bands)
        object.__setattr__(self, "folds", np.asarray(self.folds))
        object.__setattr__(self, "alphas", np.asarray(self.alphas, np.float64))
        self._check()

    @classmethod
    def of_one_model(
        cls,
        bands: Mapping[str, np.ndarray],
        responses: Responses,
        folds: np.ndarray,
        alphas: np.ndarray,
        band_weights: np.ndarray,
        options: Options = DEFAULTS,
    ) -> Problem:
        """Return a problem with one model, "model", of all bands, and its band weights."""
        models, candidates = {"model": tuple(bands)}, {"model": band_weights}
        return cls(bands, responses, folds, alphas, models, candidates, options)

    @cached_property
    def pool(self) -> CandidatePool:
        """Every candidate of every model once, and which model may pick which."""
        return CandidatePool.of(list(self.bands), self.models, self.candidates, self.inherit)

    def _check(self) -> None:
        rows = {len(band) for band in self.bands.values()}
        rows |= {self.responses.shape[0], len(self.folds)}
        if len(rows) != 1:
            raise ValueError(f"bands, responses and folds have different numbers of images: {rows}")
        if not all(np.isfinite(band).all() for band in self.bands.values()):
            raise ValueError("the features hold NaN or infinite values")
        alphas = self.alphas
        if alphas.ndim != 1 or not len(alphas) or not (alphas > 0).all():
            raise ValueError(f"alphas are a list of penalties above 0, not {alphas}")
        if not can_validate(self.folds):
            raise ValueError(f"at least 2 folds must validate, not {np.unique(self.folds)}")


def can_validate(folds: np.ndarray) -> bool:
    """Test whether two folds (image,) at least validate, and others have images to fit."""
    return len(np.unique(folds[folds >= 0])) >= 2
