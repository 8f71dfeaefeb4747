"""Settings of the comparison of layers, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analysis import Analysis
from pipeline.settings import WHOLE, Name, Settings

if TYPE_CHECKING:
    import pandas as pd

    from pipeline.analysis import Images
    from pipeline.configuration.study import Study
    from pipeline.figures.style import StudyFigure
    from pipeline.maps.quantities import VoxelMap
    from pipeline.resources import Job
    from pipeline.storage import Result
    from pipeline.study_size import SubjectSize


class PreferredLayerSettings(Settings):
    """A voxel's preferred layers: the best, and the first that reaches a `share` of the best
    cross-validated R²; of voxels with a reliability of at least `least_ceiling`."""

    share: float = Field(default=0.95, gt=0, le=1)
    least_ceiling: float = Field(default=0.1, ge=0, lt=1)


class Layers(Analysis):
    """Layers of one network, first layer first, each an encoding model of its own."""

    target = "layers"
    settings = {
        "layerwise": (dict[Name, list[str]], Field(default_factory=dict)),
        "preferred_layer": (PreferredLayerSettings, PreferredLayerSettings()),
    }
    map_quantities = {
        "preferredLayer": (
            "layer with the best cross-validated score, from 1 for the first, of explainable "
            "voxels",
            "label",
        ),
        "firstLayer": (
            "first layer that nearly reaches the best one's cross-validated score, from 1",
            "label",
        ),
    }
    ordered_labels = {"preferredLayer": "preferred layer"}

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

    def columns(self) -> Mapping[str, str]:
        from pipeline.analyses.layers.tables import COLUMNS

        return COLUMNS

    def figures(self, tables: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
        from pipeline.analyses.layers.figures import layer_figures

        if "layers" in tables:
            yield from layer_figures(tables["layers"])

    def map_files(self, study: Study, subject: str, variant: str) -> list[str]:
        return [f"layers/{subject}/{name}.h5" for name in compared(study) if variant == WHOLE]

    def maps(self, result: Result) -> Iterator[VoxelMap]:
        from pipeline.analyses.layers.maps import layer_maps

        return layer_maps(result)

    def methods(self, study: Study) -> Iterator[str]:
        if compared(study):
            preferred = study.section(PreferredLayerSettings)
            yield (
                "Layers. Every layer is an encoding model of its own. A voxel's preferred layer "
                "has the best cross-validated score; its first layer is the first that reaches "
                f"{preferred.share:g} of that score (Wang et al. 2023). Voxels with a reliability "
                f"below {preferred.least_ceiling:g} have none."
            )


def compared(study: Study) -> dict[str, list[str]]:
    """{comparison of layers: feature spaces}."""
    return study.layerwise


ANALYSIS = Layers()
