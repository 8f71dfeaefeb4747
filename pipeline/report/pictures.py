"""Pictures of brain maps, in pages and as files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from pipeline.figures.style import PICTURE_FORMATS, save_picture


@dataclass(frozen=True)
class Picture:
    """A picture of maps: the name of its files, its title, and its caption."""

    file: str
    name: str
    caption: str
    figure: Figure

    def written(self, directory: Path, folder: str) -> dict[str, Any]:
        """Write the files to `folder` in `directory`, and return the picture for a page there."""
        image, width = save_picture(self.figure, directory / folder / self.file)
        kinds = [(kind.upper(), f"{folder}/{self.file}.{kind}") for kind in PICTURE_FORMATS]
        return {
            "image": image,
            "width": width,
            "name": self.name,
            "section": self.name.split(",")[0],
            "caption": self.caption,
            "files": [{"kind": kind, "path": path} for kind, path in kinds],
        }
