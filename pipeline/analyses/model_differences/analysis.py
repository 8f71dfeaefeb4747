"""Settings of differences between models, and what they add to a study."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis, named_lists
from pipeline.configuration.names import declared, unique
from pipeline.configuration.settings import WHOLE, Name
from pipeline.fits.families import FAMILY

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class ModelDifferences(Analysis):
    """Differences of R² between pairs of models, voxel by voxel."""

    target = "model_differences"
    mapped = True
    page = "models"
    tables = {"model_differences": "Differences of models' R², voxel by voxel"}
    settings = {
        "model_differences": (
            dict[Name, list[str]],
            Field(
                default_factory=dict,
                description="{name: [first model, second model]}: test R² of the second model is "
                "subtracted from that of the first, voxel by voxel.",
            ),
        )
    }

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        for name, models in compared_pairs(study).items():
            key = f"model_differences.{name}"
            if len(models) != 2:
                raise ValueError(f"{key}: list two models, not {len(models)}")
            declared(key, models, study.fits())
            unique(key, models)

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the compared models."""
        pairs = itertools.chain(*compared_pairs(study).values())
        return [(WHOLE, model) for model in dict.fromkeys(pairs)]

    def predicted_by_job(self, study: Study) -> list[list[tuple[str, str]]]:
        """(variant, model) of the models of each pair."""
        return [[(WHOLE, model) for model in pair] for pair in compared_pairs(study).values()]

    def values_per_voxel(self, study: Study) -> list[int]:
        """Return the number of values per voxel in each result."""
        return [6 for _ in compared_pairs(study)]

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"model_differences/{subject}/{name}.h5" for name in compared_pairs(study)]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        yield (
            "Differences of models. R² of two models was compared voxel by voxel by sign flips of "
            "the paired differences of their squared errors (two-sided, tail by saddlepoint "
            f"approximation), with false discovery rates over the {FAMILY}."
        )


def compared_pairs(study: Study) -> dict[str, list[str]]:
    """{name: [first model, second model]}."""
    return named_lists(study, "model_differences")


ANALYSIS = ModelDifferences()
