"""Every optional analysis, found by its folder."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from pipeline.analysis import Analysis
from pipeline.code_version import stage_modules

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/analysis.py"))
# {name of the folder: analysis}
ANALYSES: dict[str, Analysis] = {
    folder.name: import_module(f"pipeline.analyses.{folder.name}.analysis").ANALYSIS
    for folder in FOLDERS
}


def analysis_of(stage: str) -> Analysis:
    """The analysis that a stage is part of, by the name that its results record."""
    return ANALYSES[stage_modules()[stage].split(".")[2]]
