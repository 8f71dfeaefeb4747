"""Every optional analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.analyses.analysis import Analysis
from pipeline.analyses.parts import parts

if TYPE_CHECKING:
    from pipeline.configuration.study import Study

# {name of the folder: analysis}
ANALYSES: dict[str, Analysis] = {
    name: module.ANALYSIS for name, module in parts("analysis").items()
}


def enabled(study: Study) -> dict[str, Analysis]:
    """{name of the folder: analysis} of those that a study switches on."""
    return {name: analysis for name, analysis in ANALYSES.items() if analysis.is_on(study)}
