"""Settings of encoders, the fitted models as files to take away, and what they add to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from encoding.variance_partitioning import model_name
from pipeline.analyses.analysis import Analysis
from pipeline.configuration.features import NetworkSettings
from pipeline.configuration.names import declared, unique
from pipeline.configuration.settings import WHOLE, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize

# what predictions can be made for
PREDICTED_FROM = ("image", "captions")


class EncodersSettings(Settings):
    """Fitted models that are written as files, with their weights."""

    models: list[str] = Field(min_length=1)
    """Models to write; the name of a comparison means its joint model."""
    precision: Literal["float32", "float16"] = "float32"
    """Floating-point format of the weights; float16 halves the files and rounds predictions, by how
    much is in each file and in its card."""


class Encoders(Analysis):
    """Fitted models as files, with a model card, to predict responses to other images."""

    target = "encoders"
    settings = {"encoders": (EncodersSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError for models that are not fitted or take neither images nor captions."""
        if (settings := study.section(EncodersSettings)) is None:
            return
        if study.dataset is not None:
            raise ValueError("encoders: are only written for NSD, whose terms their card states")
        unique("encoders.models", settings.models)
        declared("encoders.models", settings.models, [*study.comparisons, *study.fits(WHOLE)])
        for spaces in exported(study):
            for space in spaces:
                network = study.networks[study.feature_spaces[space].network]
                stimulus = network.stimulus if isinstance(network, NetworkSettings) else "a file"
                if stimulus not in PREDICTED_FROM:
                    raise ValueError(
                        f"encoders.models: {model_name(spaces)} has features of {stimulus} "
                        f"({space}), for which no new stimuli can be given; choose models of "
                        "images or captions"
                    )

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's encoders and their card."""
        names = [f"{model_name(spaces)}.safetensors" for spaces in exported(study)]
        return [f"encoders/{subject}/{name}" for name in [*names, "README.md"]]

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates for the refits, whose weights stay on disk, and for the card."""
        from pipeline.estimates.resources import FLOAT, HALF, Job, refit

        if settings := study.section(EncodersSettings):
            size = HALF if settings.precision == "float16" else FLOAT
            for spaces in exported(study):
                of_spaces = {space: widths[space] for space in spaces}
                disk = size * subject.voxels * sum(of_spaces.values())
                yield replace(refit(study, subject, of_spaces), temporary_bytes=0, disk_bytes=disk)
            yield Job()


def exported(study: Study) -> list[list[str]]:
    """Return the feature spaces of each model that is written, each model once."""
    if (settings := study.section(EncodersSettings)) is None:
        return []
    fits = study.fits(WHOLE)
    models = [
        study.fitted_as(study.comparisons.get(name) or fits[name]) for name in settings.models
    ]
    return list({model_name(spaces): spaces for spaces in models}.values())


ANALYSIS = Encoders()
