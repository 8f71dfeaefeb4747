"""Analyses that a user switches on, each a section of its own."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from pipeline.configuration.variants import VariantSettings
from pipeline.settings import Settings


class PreferredLayerSettings(Settings):
    """A voxel's preferred layers: the best, and the first that reaches a `share` of the best
    cross-validated R²; of voxels with a reliability of at least `least_ceiling`."""

    share: float = Field(default=0.95, gt=0, le=1)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)


class ErrorConsistencySettings(Settings):
    """Which test images are identified from predicted patterns, and who misses the same ones.

    `models` are the study's own unless listed; patterns are of the ROIs of `atlases`, over voxels
    with a reliability of at least `least_ceiling`.
    """

    models: list[str] | None = Field(default=None, min_length=1)
    atlases: list[str] = Field(default=["composite"], min_length=1)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)


class LearningCurveSettings(Settings):
    """Models fitted on fewer training images: each number of them drawn `repeats` times, draws of
    one series nested; all that there are is the largest number. `draws` are those of test images,
    for intervals."""

    models: list[str] = Field(min_length=2)
    training_images: list[int] = Field(min_length=1)
    repeats: int = Field(default=1, ge=1)
    draws: int = Field(default=500, ge=100)

    @field_validator("training_images")
    @classmethod
    def _ascend(cls, numbers: list[int]) -> list[int]:
        if numbers != sorted(set(numbers)):
            raise ValueError("list the numbers once each, in ascending order")
        return numbers

    @property
    def variants(self) -> dict[str, VariantSettings]:
        """{name: variant}: one for each number of images and draw of them."""
        return {
            f"images{number}_draw{draw}": VariantSettings(
                training_images=number, draw=draw, models=self.models
            )
            for number in self.training_images
            for draw in range(self.repeats)
        }

    @property
    def fits(self) -> list[dict[str, Any]]:
        """Every fit of the curves but those on all images: variant, model and draw."""
        return [
            {"variant": name, "model": model, "draw": variant.draw}
            for name, variant in self.variants.items()
            for model in self.models
        ]
