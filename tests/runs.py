"""A run that stages called in tests take their settings of."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from pipeline.jobs.code_version import code_version, stage_modules
from pipeline.jobs.frozen_run import RUN, freeze, frozen_text


@cache
def stages() -> dict[str, str]:
    """Versions of the code of all stages."""
    return {stage: code_version(module) for stage, module in stage_modules().items()}


def run_file(results: Path) -> Path:
    """The run that made a study; tests may have begun others on it since."""
    return min((results / "runs").iterdir(), key=lambda path: path.stat().st_mtime_ns)


def frozen(folder: Path, **settings: Any) -> dict[str, str]:
    """The environment of a stage whose run has these settings; others it has none."""
    run = {"configuration": {}, "settings": settings, "stages": stages(), "code": {}}
    path = freeze(folder / "runs", frozen_text(run))
    return {RUN: str(path)}
