"""Modules of the optional analyses, found by their folders."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from pipeline.jobs.code_version import stage_modules

FOLDER = Path(__file__).parent


def parts(name: str) -> dict[str, ModuleType]:
    """{folder: its module of that name}, for the folders that have one.

    A caller's code version includes these modules; `pipeline.jobs.code_version` sees to that.
    """
    folders = sorted(path.parent.name for path in FOLDER.glob(f"*/{name}.py"))
    return {folder: import_module(f"pipeline.analyses.{folder}.{name}") for folder in folders}


def folder_of(stage: str) -> str:
    """Return the analysis folder of a stage, given the stage name that results record."""
    return stage_modules()[stage].split(".")[2]
