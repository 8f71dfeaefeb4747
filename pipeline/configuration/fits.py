"""What is fitted on, how, and how it is tested."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from encoding.scaling import Scaling
from pipeline.configuration.settings import Betas, Settings, Space

Penalty = Literal["banded", "single"]
# parts of the voxels of a fit
MOST_CHUNKS = 1000


class ResponseSettings(Settings):
    """Which betas, what they are scaled by before repeats are averaged, and their ncsnr."""

    space: Space
    betas: Betas
    mask: Literal["nsdgeneral", "cortex"]
    zscore_within: Literal["session", "run"] = "session"
    zscore_trials: Literal["all", "training"] = "all"
    ncsnr: Literal["released", "recomputed"] = "released"


class SplitSettings(Settings):
    """Which images test: those that all subjects were to see (shared1000), those that all saw three
    times (shared515), a random `share` of each subject's, or whole `clusters` of images that are
    alike in a feature `space`, which then validate together too. With other test images a `space`
    makes clusters to be resampled, and tells near duplicates on both sides. Folds are drawn, or
    `listed`: neighbours by image number."""

    test: Literal["shared1000", "shared515", "random", "clusters"] = "shared1000"
    share: float = Field(default=0.15, gt=0, lt=1)
    space: str | None = None
    clusters: int = Field(default=100, ge=3)
    folds: int = Field(ge=2)
    fold_order: Literal["shuffled", "listed"] = "shuffled"
    seed: int

    @model_validator(mode="after")
    def _clusters_are_of_a_space(self) -> SplitSettings:
        if self.test == "clusters" and self.space is None:
            raise ValueError("`space` is needed with `test: clusters`")
        if self.test == "clusters" and self.fold_order == "listed":
            raise ValueError("`fold_order: listed` would part clusters; choose `shuffled`")
        return self


class AlphaGrid(Settings):
    """Ridge penalties, evenly spaced on a log scale from `minimum` to `maximum`."""

    minimum: float = Field(gt=0)
    maximum: float = Field(gt=0)
    number: int = Field(ge=1)

    def values(self) -> np.ndarray:
        return np.logspace(np.log10(self.minimum), np.log10(self.maximum), self.number)

    @model_validator(mode="after")
    def _ordered(self) -> AlphaGrid:
        if self.maximum < self.minimum:
            raise ValueError("`maximum` is below `minimum`")
        return self


class EncodingSettings(Settings):
    """What is searched, and how: see `encoding.ridge.problem.Options`.

    `penalty: single` is ridge on the concatenated features of a model, without band weights.
    `scaling: zscore` divides a quiet feature by a tenth of its space's root mean square deviation,
    `zscore_unfloored` by its own deviation; `center` leaves features as large as they are
    (`encoding.scaling.FeatureScaling`).
    `image_weights: repeats` weighs training images by the trials that their responses are averaged
    of, in cross-validation too (`encoding.ridge.image_weights`).
    `stacking` fits, beside a contrast's joint model, its single-space models weighed by held-out
    errors (`encoding.ridge.stacking`).
    """

    alphas: AlphaGrid
    penalty: Penalty = "banded"
    scaling: Scaling = "zscore"
    band_weight_samples: int = Field(default=20, ge=1)
    seed: int
    solver: Literal["own", "himalaya"] = "own"
    search: Literal["exact", "windowed"] = "windowed"
    backend: Literal["numpy", "torch", "torch_cuda"] = "numpy"
    memory_gb: float = Field(default=8, gt=0)
    missing_images: Literal["available", "exclude"] = "exclude"
    image_weights: Literal["equal", "repeats"] = "equal"
    stacking: bool = True

    @property
    def takes_smaller_models_over(self) -> bool:
        """Whether a model is nowhere worse in cross-validation than those of fewer of its spaces.

        A single penalty leaves no space out, and himalaya picks among a model's own candidates.
        """
        return (self.penalty, self.solver) == ("banded", "own")

    @model_validator(mode="after")
    def _himalaya_searches_exactly(self) -> EncodingSettings:
        if self.solver == "himalaya" and (self.search, self.missing_images) != ("exact", "exclude"):
            raise ValueError(
                "`solver: himalaya` goes with `search: exact` and `missing_images: exclude`"
            )
        if self.solver == "himalaya" and self.penalty == "single":
            raise ValueError("`penalty: single` goes with `solver: own`")
        return self

    @model_validator(mode="after")
    def _weighed_images_are_measured(self) -> EncodingSettings:
        own = (self.solver, self.missing_images) == ("own", "exclude")
        if self.image_weights == "repeats" and not own:
            raise ValueError(
                "`image_weights: repeats` goes with `solver: own` and `missing_images: exclude`"
            )
        return self


class ScatterSettings(Settings):
    """In how many parts the voxels of a fit are the work of a job each; results are the same."""

    voxel_chunks: int = 1

    @model_validator(mode="before")
    @classmethod
    def _not_chosen_by_itself(cls, values: Any) -> Any:
        if isinstance(values, dict) and (
            values.get("voxel_chunks") == "auto" or "longest_hours" in values
        ):
            raise ValueError(
                "`voxel_chunks: auto` and `longest_hours` are no more: write a number, "
                "`scatter: {voxel_chunks: 1}`; `snakemake preflight` tells how long a fit takes"
            )
        return values

    @field_validator("voxel_chunks", mode="before")
    @classmethod
    def _is_some(cls, value: Any) -> Any:
        if type(value) is int and 1 <= value <= MOST_CHUNKS:
            return value
        raise ValueError(f"expected a whole number from 1 to {MOST_CHUNKS}")


class SignificanceSettings(Settings):
    """How often test images are drawn anew for intervals, and how voxels are tested.

    `resample: clusters` draws, and flips, clusters of images that are alike in `splits.space`.
    `test` is of r against permuted images and of components of variance against flipped signs,
    both by the tails of their distributions, without draws; or of R² and components by the
    bootstrap's draws, as published.
    """

    test: Literal["permutation", "bootstrap"] = "permutation"
    draws: int = Field(default=2000, ge=100)
    level: float = Field(default=0.95, gt=0, lt=1)
    resample: Literal["images", "clusters"] = "images"
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _without_permutations(cls, values: Any) -> Any:
        if isinstance(values, dict) and "permutations" in values:
            raise ValueError(
                "`permutations` are no longer drawn: p of `test: permutation` are told by the "
                "tails of distributions; remove the key (`draws` is of intervals alone)"
            )
        return values


class CalibrationSettings(Settings):
    """How many experiments of known truth each condition of `pipeline.validation.calibration` has;
    `snakemake validate` fits and tests them with the study's own `encoding` and `significance`, and
    as many folds."""

    experiments: int = Field(default=20, ge=2)
