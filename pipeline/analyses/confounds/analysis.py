"""The table of confounds as a part of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.analyses.analysis import Analysis
from pipeline.configuration.features import NetworkSettings

if TYPE_CHECKING:
    from pipeline.configuration.study import Study


class Confounds(Analysis):
    """A table of the attributes in which the feature spaces of each comparison differ."""

    target = "confounds"
    page = "comparisons"
    tables = {
        "confounds": "Attributes that differ between the feature spaces of each comparison, and "
        "those that are the same"
    }

    def job_settings(self, study: Study) -> dict[str, Any]:
        """Return the stated attributes of every comparison's feature spaces."""
        stated = {
            name: {space: _stated(study, space) for space in spaces}
            for name, spaces in study.comparisons.items()
        }
        return {"confounds": stated}


def _stated(study: Study, space: str) -> dict[str, Any]:
    network = study.networks[study.feature_spaces[space].network]
    facts = network.facts.model_dump(exclude={"source"}) if network.facts else {}
    # of features that were given, the stimulus is not known
    shown = {"stimulus": network.stimulus} if isinstance(network, NetworkSettings) else {}
    return {**shown, **facts}


ANALYSIS = Confounds()
