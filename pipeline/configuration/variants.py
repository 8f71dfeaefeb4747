"""What a study is fitted on once more: other images, or another way."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator

from encoding.scaling import Scaling
from pipeline.configuration.coco_categories import CATEGORIES, SUPERCATEGORIES
from pipeline.configuration.fits import EncodingSettings, Penalty
from pipeline.configuration.names import declared
from pipeline.configuration.settings import Name, Settings


class Subset(Settings):
    """Images that show a COCO category or supercategory, or images that do not."""

    category: str
    """One of COCO's 80 categories or 12 supercategories."""
    present: bool = True
    """Whether the images show it, or do not."""

    @field_validator("category")
    @classmethod
    def _is_one_of_cocos(cls, name: str) -> str:
        declared("category", [name], [*SUPERCATEGORIES, *CATEGORIES])
        return name


class VariantSettings(Settings):
    """The study's fits once more, on other images or with other penalties.

    Images of the same `draw` are nested: a smaller number is part of a larger one. Without `models`
    and `comparisons`, every comparison of the study is fitted.
    """

    subset: Subset | None = None
    """Images by what they show, on both sides of the split."""
    training_images: int | None = Field(default=None, ge=10)
    """Number of training images, drawn at random."""
    draw: int = Field(default=0, ge=0)
    """Number of the random draw."""
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
        """What decides about images, and nothing else."""
        return self.model_dump(mode="json", include={"subset", "training_images", "draw"})

    def encoding(self, study: EncodingSettings) -> EncodingSettings:
        """How the variant is fitted, in a study that is fitted like this."""
        own = self.model_dump(include={"penalty", "scaling"}, exclude_none=True)
        return EncodingSettings.model_validate({**study.model_dump(), **own})
