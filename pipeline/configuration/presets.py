"""Two studies of one data set, to be compared."""

from __future__ import annotations

from pathlib import Path

from pipeline.settings import Settings


class PresetComparison(Settings):
    """Results folders of the study as published and as corrected."""

    published: Path
    corrected: Path
