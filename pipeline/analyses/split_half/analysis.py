"""Settings of split-half reliability, and what it adds to a study."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis, times
from pipeline.configuration.settings import WHOLE, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class SplitHalfSettings(Settings):
    """Settings by which test images are halved to measure the reliability of unique variance."""

    splits: int = Field(default=20, ge=1)
    """Number of times that the test images are halved at random."""
    seed: int = 0
    """Seed of the random halves."""


class SplitHalf(Analysis):
    """Reliability of maps of unique variance over test images."""

    target = "split_half"
    page = "comparisons"
    tables = {"split_half": "Split-half reliability of maps of unique variance"}
    settings = {"split_half": (SplitHalfSettings | None, None)}
    references = {
        "Brown 1910": "Brown, W. (1910). Some experimental results in the correlation of mental "
        "abilities. British Journal of Psychology 3, 296-322.",
        "Spearman 1910": "Spearman, C. (1910). Correlation calculated from faulty data. British "
        "Journal of Psychology 3, 271-295.",
    }

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the models of all subsets of comparisons' spaces."""
        models = itertools.chain(*map(study.models_of, study.comparisons))
        return [(WHOLE, model) for model in dict.fromkeys(models)]

    def predicted_by_job(self, study: Study) -> list[list[tuple[str, str]]]:
        """(variant, model) of the models of each comparison."""
        compared = map(study.models_of, study.comparisons)
        return [[(WHOLE, model) for model in models] for models in compared]

    def values_per_voxel(self, study: Study) -> list[int]:
        """Return the number of values per voxel in each result."""
        settings = study.section(SplitHalfSettings)
        splits = settings.splits if settings else 0
        return [2 * splits * len(spaces) for spaces in study.comparisons.values()]

    def is_on(self, study: Study) -> bool:
        """Test whether there are settings, and a comparison to apply them to."""
        return super().is_on(study) and bool(study.comparisons)

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"split_half/{subject}/{name}.h5" for name in study.comparisons]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(SplitHalfSettings):
            yield (
                "Split-half reliability. Unique variance was computed in two random halves of the "
                f"test images, {times(settings.splits)}, and the halves' maps were correlated over "
                "the voxels of each region; the reliability of a map of all test images follows by "
                "2 r / (1 + r) (Brown 1910; Spearman 1910)."
            )


ANALYSIS = SplitHalf()
