"""Every optional analysis."""

from __future__ import annotations

from pipeline.analyses.analysis import Analysis
from pipeline.analyses.parts import parts

# {name of the folder: analysis}
ANALYSES: dict[str, Analysis] = {
    name: module.ANALYSIS for name, module in parts("analysis").items()
}
