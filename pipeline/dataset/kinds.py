"""Kinds of datasets, distinguished by their folders."""

from __future__ import annotations

from pathlib import Path

# table of a dataset of plain matrices
IMAGES = "images.tsv"


def is_matrices(folder: Path) -> bool:
    """Test whether a folder holds a dataset of plain matrices; otherwise it is NSD's."""
    return (folder / IMAGES).is_file()
