"""Settings of out-of-distribution tests, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from encoding.variance_partitioning import model_name
from pipeline.analyses.analysis import Analysis
from pipeline.configuration.features import GivenSettings
from pipeline.configuration.names import declared, unique
from pipeline.configuration.settings import WHOLE, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize

SYNTHETIC = "nsdsynthetic"
N_IMAGES, N_CLASSES = 284, 8
# {input of a network: its name in reasons}; other inputs are labels
INPUTS = {"captions": "captions", "identity": "numbers of images"}


class OutOfDistributionSettings(Settings):
    """Scores of fitted models on images unlike those they were fitted on."""

    set: Literal["synthetic"]
    """Images and responses: `synthetic`, NSD-synthetic (284 images, one session per subject)."""
    models: list[str] | None = Field(default=None, min_length=1)
    """Models to score, by default all `models`; the name of a comparison means its joint model.
    Models with captions, labels or given features are listed in the tables as left out."""
    min_reliability: float = Field(default=0.1, gt=0, lt=1)
    """Voxels whose reliability in the core experiment is lower are left out."""


class OutOfDistribution(Analysis):
    """Scores of fitted models on NSD-synthetic, beside those on the study's test images."""

    target = "out_of_distribution"
    page = "models"
    tables = {
        "out_of_distribution": "In and out of distribution, per model and region",
        "out_of_distribution_order": "Order of models in and out of distribution",
        "out_of_distribution_classes": "Classes of out-of-distribution images",
        "out_of_distribution_images": "Out-of-distribution images",
    }
    settings = {"out_of_distribution": (OutOfDistributionSettings | None, None)}
    references = {
        "Gifford et al. 2026": "Gifford, A. T., Cichy, R. M., Naselaris, T., & Kay, K. (2026). A "
        "7T fMRI dataset of synthetic images for out-of-distribution modeling of vision. Nature "
        "Communications, doi:10.1038/s41467-026-69345-9."
    }

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if (settings := study.section(OutOfDistributionSettings)) is None:
            return
        key = "out_of_distribution"
        if study.dataset is not None:
            raise ValueError(f"{key}: only NSD has NSD-synthetic; leave this section out")
        if study.of_nsd.betas == "betas_assumehrf":
            raise ValueError(
                f"{key}: NSD-synthetic has no betas_assumehrf; choose other `responses.betas`"
            )
        if study.simulation is not None and study.simulation.synthetic is None:
            raise ValueError(f"{key}: the simulation has no NSD-synthetic; add `synthetic: {{}}`")
        if settings.models is not None:
            unique(f"{key}.models", settings.models)
            known = [*study.comparisons, *study.fits(WHOLE)]
            declared(f"{key}.models", settings.models, known)
        if not scored(study):
            reasons = "; ".join(f"{name}: {why}" for name, why in left_out(study).items())
            raise ValueError(f"{key}.models: none can be scored ({reasons}); add one of images")

    def experiments(self, study: Study) -> list[str]:
        """Return NSD-synthetic, if it is scored."""
        return [SYNTHETIC] if self.is_on(study) else []

    def job_settings(self, study: Study) -> dict[str, Any]:
        """Return the models that are scored."""
        return {"scored_models": list(scored(study))}

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result file."""
        return [f"out_of_distribution/{subject}.h5"]

    def table_settings(self, study: Study) -> dict[str, Any]:
        """Return the models that cannot be scored, with reasons."""
        return {"left_out": left_out(study)}

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of averages, of the scores of each model, and of their comparison."""
        from pipeline.estimates.resources import (
            BETAS_BYTES,
            DRAW_RATE,
            FLOAT,
            LOAD,
            SECONDS_PER_VOXEL_AND_SESSION,
            TORCH_BYTES,
            Job,
            refit,
        )

        if not self.is_on(study):
            return
        voxels = subject.voxels
        seconds = voxels * SECONDS_PER_VOXEL_AND_SESSION
        yield Job(seconds, BETAS_BYTES, FLOAT * (N_IMAGES + 2) * voxels)
        # every image is in three sets: all, those that are not grey, and its class
        images = subject.test_images + 3 * N_IMAGES
        draws = 8 * study.significance.draws * images * voxels / DRAW_RATE
        values = 5 * (N_CLASSES + 3) * voxels
        for spaces in scored(study).values():
            job = refit(study, subject, {space: widths[space] for space in spaces})
            yield replace(
                job,
                core_seconds=job.core_seconds + LOAD + draws,
                memory_bytes=job.memory_bytes + TORCH_BYTES + 2 * FLOAT * N_IMAGES * voxels,
                temporary_bytes=0,
                disk_bytes=FLOAT * values,
            )
        yield Job()

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        within = study.of_nsd.zscore_within
        over = "each of its runs" if within == "run" else "all its trials"
        reasons = "".join(f" {name} was left out ({why})." for name, why in left_out(study).items())
        yield (
            "Out-of-distribution tests. Models that were fitted on the core experiment predicted "
            "responses to the 284 images of NSD-synthetic (Gifford et al. 2026), with weights "
            "refitted without search. Pixels, which are linear in light, were converted to "
            "values of a display, √(v / 255) · 255, and cut to the central 714 × 714 pixels, in "
            "which 16 images (words beyond its edges) are plain grey. Betas of that session were "
            f"z-scored over {over} and averaged over all trials of an image, one-back trials "
            "included. Correlations, and ceilings that allow for unequal "
            "numbers of trials, do not depend on that z-score; R² and slopes do. Intervals are "
            "bootstraps over test images, and over the 71 subclasses of synthetic images; those of "
            f"drops take both as independent.{reasons}"
        )


def scored(study: Study) -> dict[str, list[str]]:
    """{model: its feature spaces} of the models whose networks take images."""
    return {name: spaces for name, spaces in _chosen(study).items() if not _reason(study, spaces)}


def left_out(study: Study) -> dict[str, str]:
    """{model: reason} of chosen models that cannot be scored."""
    reasons = {name: _reason(study, spaces) for name, spaces in _chosen(study).items()}
    return {name: reason for name, reason in reasons.items() if reason}


def _chosen(study: Study) -> dict[str, list[str]]:
    if (settings := study.section(OutOfDistributionSettings)) is None:
        return {}
    fits = study.fits(WHOLE)
    chosen = settings.models or study.models
    models = [study.fitted_as(study.comparisons.get(name) or fits[name]) for name in chosen]
    return {model_name(spaces): spaces for spaces in models}


def _reason(study: Study, spaces: list[str]) -> str:
    """Say why a model cannot be scored; empty if it can."""
    for space in spaces:
        network = study.networks[study.feature_spaces[space].network]
        if isinstance(network, GivenSettings):
            return f"{space} is given in a file that has no synthetic images"
        if network.stimulus != "image":
            kind = INPUTS.get(network.stimulus, "labels of objects")
            return f"{space} is of {kind}, which synthetic images do not have"
    return ""


ANALYSIS = OutOfDistribution()
