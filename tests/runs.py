"""A run that stages called in tests take their settings of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pipeline.frozen_run import RUN, freeze, frozen_text

EMPTY = {"configuration": {}, "settings": {}, "stages": {}, "workflow": {}, "code": {}}


def frozen(folder: Path, **settings: Any) -> dict[str, str]:
    """The environment of a stage whose run has these settings; others it has none."""
    path = freeze(folder / "runs", frozen_text({**EMPTY, "settings": settings}))
    return {RUN: str(path)}
