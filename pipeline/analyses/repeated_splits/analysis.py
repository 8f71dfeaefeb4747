"""Settings of repeated random splits, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared, unique
from pipeline.configuration.settings import Name, Settings
from pipeline.configuration.variants import VariantSettings, VariantSplit

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class RepeatedSplitSettings(Settings):
    """Fits repeated on random splits into training and test images.

    The split of number n is that of `splits: {test: random}` with the study's `splits.seed` plus n.
    """

    repeats: int = Field(default=10, ge=2)
    """Number of random splits."""
    test_fraction: float = Field(default=0.15, gt=0, lt=1)
    """Fraction of a subject's images that test, in each split."""
    models: list[str] = Field(default_factory=list)
    """Feature spaces that are fitted alone."""
    comparisons: list[Name] = Field(default_factory=list)
    """Comparisons whose variance is partitioned in each split."""

    @property
    def names(self) -> list[str]:
        """Names of the splits."""
        return [f"split{number}" for number in range(1, self.repeats + 1)]


class RepeatedSplits(Analysis):
    """Scores and variance components over repeated random splits: mean and spread."""

    target = "repeated_splits"
    mapped = True
    page = "models"
    tables = {
        "repeated_splits": "Scores over repeated random splits",
        "repeated_split_components": "Variance components over repeated random splits",
    }
    settings = {"repeated_splits": (RepeatedSplitSettings | None, None)}
    references = {
        "Nadeau and Bengio 2003": "Nadeau, C., Bengio, Y. (2003). Inference for the "
        "generalization error. Machine Learning 52, 239-281."
    }

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if (settings := study.section(RepeatedSplitSettings)) is None:
            return
        if not settings.models and not settings.comparisons:
            raise ValueError("repeated_splits: list `models` or `comparisons` to fit")
        study.require_spaces("repeated_splits.models", settings.models)
        declared("repeated_splits.comparisons", settings.comparisons, study.comparisons)
        unique("repeated_splits.comparisons", settings.comparisons)
        if same := sorted(set(settings.names) & set(study.variants)):
            raise ValueError(f"variants.{same[0]}: a repeated split has this name; choose another")

    def variants(self, study: Study) -> dict[str, VariantSettings]:
        """Return one variant for each split."""
        if (settings := study.section(RepeatedSplitSettings)) is None:
            return {}
        return {
            name: VariantSettings(
                splits=VariantSplit(
                    test="random",
                    test_fraction=settings.test_fraction,
                    seed=study.splits.seed + number,
                ),
                models=settings.models,
                comparisons=settings.comparisons,
            )
            for number, name in enumerate(settings.names, 1)
        }

    def values_per_voxel(self, study: Study) -> list[int]:
        """Return the number of values per voxel in each result."""
        if (settings := study.section(RepeatedSplitSettings)) is None:
            return []
        components = [2 ** len(study.comparisons[name]) - 1 for name in settings.comparisons]
        values = [*(2 for _ in settings.models), *components]
        return [settings.repeats * number for number in values]

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files, one for each model and comparison."""
        if (settings := study.section(RepeatedSplitSettings)) is None:
            return []
        fits = [*settings.models, *settings.comparisons]
        return [f"repeated_splits/{subject}/{fit}.h5" for fit in fits]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(RepeatedSplitSettings):
            yield (
                f"Repeated splits. {', '.join([*settings.models, *settings.comparisons])} were "
                f"fitted on {settings.repeats} random splits, each with {settings.test_fraction:g} "
                "of a subject's images as test images; penalties were chosen anew in each. Mean, "
                "standard deviation and extremes are over splits. As training images of different "
                "splits overlap, the standard deviation over the square root of the number of "
                "splits would be no standard error (Nadeau and Bengio 2003)."
            )


ANALYSIS = RepeatedSplits()
