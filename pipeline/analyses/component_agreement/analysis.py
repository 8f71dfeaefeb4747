"""Settings of the agreement of component maps, and what it adds to a study."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipeline.analyses.analysis import Analysis
from pipeline.analyses.weight_components.analysis import InterpretationSettings
from pipeline.configuration.settings import GROUP_SPACES, Settings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class ComponentAgreementSettings(Settings):
    """A table of correlations between subjects' maps of the components of `interpretation`."""


class ComponentAgreement(Analysis):
    """Correlation between subjects' maps of components, in the spaces that subjects share."""

    target = "component_agreement"
    compares_subjects = True
    tables = {"component_agreement": "Correlation between subjects' maps of components"}
    settings = {"component_agreement": (ComponentAgreementSettings | None, None)}

    def check(self, study: Study) -> None:
        """Raise ValueError where the settings do not go with the study."""
        if study.section(ComponentAgreementSettings) is None:
            return
        if study.section(InterpretationSettings) is None:
            raise ValueError(
                "component_agreement: compares the components of `interpretation`, which the "
                "configuration lacks; add it"
            )
        if not set(GROUP_SPACES) & set(study.map_spaces):
            spaces = " or ".join(GROUP_SPACES)
            raise ValueError(
                f"component_agreement: compares maps in {spaces}; add one to `maps.spaces`"
            )

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        yield (
            "Agreement of component maps. In each space that subjects share, the map of a "
            "component in one subject was correlated (Pearson) with that in each other subject, "
            "over the voxels or vertices with a value in both, and with the other's maps of the "
            "other components."
        )


ANALYSIS = ComponentAgreement()
