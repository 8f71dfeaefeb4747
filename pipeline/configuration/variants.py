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
    """Images that show a COCO category or supercategory, or those that do not."""

    category: str
    present: bool = True

    @field_validator("category")
    @classmethod
    def _is_one_of_cocos(cls, name: str) -> str:
        declared("category", [name], [*SUPERCATEGORIES, *CATEGORIES])
        return name


class VariantSettings(Settings):
    """Which images train and test, and what is fitted on them.

    `subset` holds on both sides of the split. `training_images` are drawn among those that train;
    draws of one number, `draw`, are nested. Without `models` and `contrasts` every contrast of the
    study is fitted. `penalty` and `scaling` are those of `encoding` unless they are given.
    """

    subset: Subset | None = None
    training_images: int | None = Field(default=None, ge=10)
    draw: int = Field(default=0, ge=0)
    penalty: Penalty | None = None
    scaling: Scaling | None = None
    models: list[str] | None = None
    contrasts: list[Name] | None = None

    @property
    def images(self) -> dict[str, Any]:
        """What decides about images, and nothing else."""
        return self.model_dump(mode="json", include={"subset", "training_images", "draw"})

    def encoding(self, study: EncodingSettings) -> EncodingSettings:
        """How the variant is fitted, in a study that is fitted like this."""
        own = self.model_dump(include={"penalty", "scaling"}, exclude_none=True)
        return EncodingSettings.model_validate({**study.model_dump(), **own})
