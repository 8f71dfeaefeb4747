"""Settings of keywords of regions, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.names import declared
from pipeline.configuration.settings import Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize

# words of the captions of 10,000 images, for estimates
WORDS = 3000


class KeywordSettings(Settings):
    """Words of captions that go with higher or lower responses of regions."""

    atlases: list[str] = Field(default=["composite"], min_length=1)
    """ROI atlases, from those listed in `rois`, or `composite`."""
    words: int = Field(default=15, ge=1)
    """Number of words that the table lists for each region and direction."""
    min_images: int = Field(default=20, ge=2)
    """Number of a subject's images whose captions must have a word."""
    min_reliability: float = Field(default=0.1, ge=0, lt=1)
    """Reliability of the voxels that are averaged."""
    min_voxels: int = Field(default=10, ge=1)
    """Number of such voxels that a region must have."""


class Keywords(Analysis):
    """Words of captions that go with the responses of regions."""

    target = "keywords"
    tables = {"keywords": "Words of captions that go with the responses of regions"}
    settings = {"keywords": (KeywordSettings | None, None)}
    references = {
        "Mann & Whitney 1947": "Mann, H. B., & Whitney, D. R. (1947). On a test of whether one of "
        "two random variables is stochastically larger than the other. The Annals of Mathematical "
        "Statistics 18, 50-60."
    }

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if settings := study.section(KeywordSettings):
            declared("keywords.atlases", settings.atlases, study.roi_atlases)

    def stimuli(self, study: Study) -> list[str]:
        """Return the COCO files that have captions."""
        return ["captions"] if study.section(KeywordSettings) else []

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of the jobs of one subject."""
        from pipeline.estimates.resources import FLOAT, Job
        from pipeline.estimates.study_size import n_rois

        if settings := study.section(KeywordSettings):
            yield Job(disk_bytes=3 * FLOAT * WORDS * n_rois(settings.atlases))

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"keywords/{subject}.h5"]

    def table_settings(self, study: Study) -> dict[str, int]:
        """Return the number of words that are listed."""
        settings = study.section(KeywordSettings)
        return {"words": settings.words} if settings else {}

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        if settings := study.section(KeywordSettings):
            yield (
                "Keywords. Measured responses to each image were averaged over the voxels of a "
                f"region with a reliability of at least {settings.min_reliability:g}. For each "
                f"word that the captions of at least {settings.min_images} images have, except "
                "scikit-learn's English stop words (but fifteen, such as fire and front, that say "
                "what pictures show), responses to images with and without the word were compared "
                "by rank sums (Mann & Whitney 1947), two-sided, with the false discovery rate over "
                "all words and regions of a subject. Words of the same scenes go together: a word "
                "that is associated with a response need not be what drives it."
            )


ANALYSIS = Keywords()
