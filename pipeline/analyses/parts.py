"""Modules of the optional analyses, found by their folders."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from pipeline.jobs.code_version import stage_modules

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/analysis.py"))


def parts(name: str) -> dict[str, ModuleType]:
    """{folder: its module of that name}, for the folders that have one.

    A caller's code version includes these modules; `pipeline.jobs.code_version` sees to that.
    """
    return {
        folder.name: import_module(f"pipeline.analyses.{folder.name}.{name}")
        for folder in FOLDERS
        if (folder / f"{name}.py").exists()
    }


def folder_of(stage: str) -> str:
    """Return the analysis folder of a stage, given the stage name that results record."""
    return stage_modules()[stage].split(".")[2]
