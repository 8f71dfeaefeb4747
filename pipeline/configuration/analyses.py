"""Analyses that a user switches on, each a section of its own."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings import Settings


class PreferredLayerSettings(Settings):
    """A voxel's preferred layers: the best, and the first that reaches a `share` of the best
    cross-validated R²; of voxels with a noise ceiling of at least `least_ceiling`."""

    share: float = Field(default=0.95, gt=0, le=1)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)
