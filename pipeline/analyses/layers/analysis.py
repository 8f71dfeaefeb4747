"""Settings of the comparison of layers, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.settings import WHOLE, Name, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.resources import Job
    from pipeline.study_size import SubjectSize


class PreferredLayerSettings(Settings):
    """Each voxel's best layer, and the first layer that is almost as good."""

    fraction: float = Field(default=0.95, gt=0, le=1)
    """Fraction of the best layer's cross-validated R² that the first layer has to reach."""
    min_noise_ceiling: float = Field(default=0.1, ge=0, lt=1)
    """Least reliability of a voxel that has a preferred layer, 0 to 1."""


class Layers(Analysis):
    """The best layer of a network for each voxel."""

    target = "layers"
    settings = {
        "layerwise": (
            dict[Name, list[str]],
            Field(
                default_factory=dict,
                description="Comparisons of the layers of one network, by name: feature spaces, "
                "first layer first, each of which is fitted alone.",
            ),
        ),
        "preferred_layer": (PreferredLayerSettings, PreferredLayerSettings()),
    }

    def check(self, study: Study) -> None:
        for name, spaces in compared(study).items():
            study.require_spaces(f"layerwise.{name}", spaces)
            networks = sorted({study.feature_spaces[space].network for space in spaces})
            if len(spaces) < 2 or len(networks) > 1:
                raise ValueError(
                    f"layerwise.{name}: layers of one network are compared, two or more, first "
                    f"layer first; these are {len(spaces)} of {' and '.join(networks) or 'none'}"
                )

    def models(self, study: Study) -> list[str]:
        return [space for spaces in compared(study).values() for space in spaces]

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        from pipeline.resources import FLOAT, Job

        for layers in compared(study).values():
            yield Job(disk_bytes=subject.voxels * FLOAT * (3 * len(layers) + 5))

    def tables(self, study: Study) -> list[str]:
        return ["layers"] if compared(study) else []

    def map_files(self, study: Study, subject: str, variant: str) -> list[str]:
        return [f"layers/{subject}/{name}.h5" for name in compared(study) if variant == WHOLE]

    def methods(self, study: Study) -> Iterator[str]:
        if compared(study):
            preferred = study.section(PreferredLayerSettings)
            yield (
                "Layers. Every layer is an encoding model of its own. A voxel's preferred layer "
                "has the best cross-validated score; its first layer is the first that reaches "
                f"{preferred.fraction:g} of that score (Wang et al. 2023). Voxels with a "
                f"reliability below {preferred.min_noise_ceiling:g} have none."
            )


def compared(study: Study) -> dict[str, list[str]]:
    """{comparison of layers: feature spaces}."""
    return study.layerwise


ANALYSIS = Layers()
