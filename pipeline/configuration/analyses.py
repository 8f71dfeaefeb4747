"""Analyses that a user switches on, each a section of its own."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings import Settings


class PreferredLayerSettings(Settings):
    """A voxel's preferred layers: the best, and the first that reaches a `share` of the best
    cross-validated R²; of voxels with a noise ceiling of at least `least_ceiling`."""

    share: float = Field(default=0.95, gt=0, le=1)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)


class ErrorConsistencySettings(Settings):
    """Which test images are identified from predicted patterns, and who misses the same ones.

    `models` are the study's own unless listed; patterns are of the ROIs of `atlases`, over voxels
    with a noise ceiling of at least `least_ceiling`.
    """

    models: list[str] | None = Field(default=None, min_length=1)
    atlases: list[str] = Field(default=["composite"], min_length=1)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)
