"""Variants: further fits of a study on other images, or with other penalties."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from encoding.scaling import Scaling
from pipeline.configuration.coco_categories import (
    CATEGORIES,
    SUPERCATEGORIES,
    SUPERCATEGORY_SHARES,
)
from pipeline.configuration.fits import EncodingSettings, Penalty, SplitSettings, TestImages
from pipeline.configuration.names import declared
from pipeline.configuration.settings import Name, Settings


class Subset(Settings):
    """Images that contain a COCO category or supercategory, or images that do not."""

    category: str
    """One of COCO's 80 categories or 12 supercategories."""
    present: bool = True
    """Whether to take the images with or without the category."""

    @field_validator("category")
    @classmethod
    def _is_one_of_cocos(cls, name: str) -> str:
        declared("category", [name], [*SUPERCATEGORIES, *CATEGORIES])
        return name

    @property
    def largest_share(self) -> float:
        """Share of COCO's images that it holds; of a single category, the most that it can be."""
        if self.category in SUPERCATEGORIES:
            share = SUPERCATEGORY_SHARES[self.category]
            return share if self.present else 1 - share
        return SUPERCATEGORY_SHARES[CATEGORIES[self.category][1]] if self.present else 1.0


class VariantSplit(Settings):
    """Keys of `splits` in which a variant differs from the study."""

    test: TestImages | None = None
    """As in `splits`, which is the default."""
    test_fraction: float | None = Field(default=None, gt=0, lt=1)
    """As in `splits`, which is the default."""
    seed: int | None = None
    """As in `splits`, which is the default."""


class VariantSettings(Settings):
    """Further fits of the study, on other images or with other penalties.

    Images of the same `draw` are nested: a smaller number is part of a larger one. Without `models`
    and `comparisons`, every comparison of the study is fitted.
    """

    subset: Subset | None = None
    """Images by their content, in training and test set."""
    training_images: int | None = Field(default=None, ge=10)
    """Number of training images, drawn at random."""
    draw: int = Field(default=0, ge=0)
    """Number of the random draw."""
    splits: VariantSplit | None = None
    """Other training and test images than the study's."""
    penalty: Penalty | None = None
    """As in `encoding`, which is the default."""
    scaling: Scaling | None = None
    """As in `encoding`, which is the default."""
    models: list[str] | None = None
    """Feature spaces that are fitted alone."""
    comparisons: list[Name] | None = None
    """Comparisons that are fitted."""

    @property
    def images(self) -> dict[str, Any]:
        """Settings that decide which images are fitted."""
        return self.model_dump(mode="json", include={"subset", "training_images", "draw"})

    def split(self, study: SplitSettings) -> SplitSettings:
        """Return the settings of the variant's split: the study's, with its own changes."""
        own = self.splits.model_dump(exclude_none=True) if self.splits else {}
        return SplitSettings.model_validate({**study.model_dump(), **own})

    def encoding(self, study: EncodingSettings) -> EncodingSettings:
        """Return the settings of the variant's fits: the study's, with its own changes."""
        own = self.model_dump(include={"penalty", "scaling"}, exclude_none=True)
        return EncodingSettings.model_validate({**study.model_dump(), **own})
