"""Every optional analysis."""

from __future__ import annotations

from pipeline.analyses.parts import parts
from pipeline.analysis import Analysis

# {name of the folder: analysis}
ANALYSES: dict[str, Analysis] = {
    name: module.ANALYSIS for name, module in parts("analysis").items()
}
