"""Settings of the comparison of layers, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pydantic import Field

from pipeline.analyses.analysis import Analysis, named_lists
from pipeline.configuration.settings import Name, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class PreferredLayerSettings(Settings):
    """Settings by which each voxel's best layer and the first almost as good are found."""

    fraction: float = Field(default=0.95, gt=0, le=1)
    """Fraction of the best layer's cross-validated R² that the first layer has to reach."""
    min_reliability: float = Field(default=0.1, ge=0, lt=1)
    """Minimum reliability (0 to 1) for a voxel to have a preferred layer."""


class Layers(Analysis):
    """The best layer of a network for each voxel."""

    target = "layers"
    mapped = True
    tables = {"layers": "Layers"}
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
        """Raise ValueError where the settings do not go with the study."""
        for name, spaces in compared(study).items():
            study.require_spaces(f"layerwise.{name}", spaces)
            networks = sorted({study.feature_spaces[space].network for space in spaces})
            if len(spaces) < 2 or len(networks) > 1:
                raise ValueError(
                    f"layerwise.{name}: list two or more layers of one network, first layer first; "
                    f"this lists {len(spaces)} of {' and '.join(networks) or 'none'}"
                )

    def models(self, study: Study) -> list[str]:
        """Return the layers, each of which is fitted alone."""
        return [space for spaces in compared(study).values() for space in spaces]

    def values_per_voxel(self, study: Study) -> list[int]:
        """Return the number of values per voxel in each result."""
        return [3 * len(layers) + 5 for layers in compared(study).values()]

    def results(self, study: Study, subject: str) -> list[str]:
        """Return the subject's result files."""
        return [f"layers/{subject}/{name}.h5" for name in compared(study)]

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        preferred = study.section(PreferredLayerSettings)
        if compared(study) and preferred:
            yield (
                "Layers. A separate encoding model was fitted to each layer. A voxel's preferred "
                "layer is the one with the best cross-validated R²; its first layer is the "
                f"earliest that reaches {preferred.fraction:g} of that R² (Wang et al. 2023). Both "
                "are left undefined for voxels with a reliability below "
                f"{preferred.min_reliability:g}."
            )


def compared(study: Study) -> dict[str, list[str]]:
    """{comparison of layers: feature spaces}."""
    return named_lists(study, "layerwise")


ANALYSIS = Layers()
