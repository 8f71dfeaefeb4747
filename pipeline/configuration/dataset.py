"""Datasets other than NSD."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pipeline.configuration.settings import Settings

# keys of a study that only NSD has
OF_NSD = ("nsd", "nsd_bucket", "nsd_terms_accepted", "responses", "simulation")


class MatricesSettings(Settings):
    """A dataset of plain matrices (docs/datasets.md)."""

    kind: Literal["matrices"]
    """`matrices`: responses (presentation, voxel) of each subject, and a table of images."""
    folder: Path
    """Folder of the dataset."""


def with_its_folder(values: Any) -> Any:
    """Return a configuration whose `nsd` is the folder of its dataset, if it has another than NSD.

    Raises
    ------
    ValueError
        It has keys that belong to NSD.
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("dataset"), Mapping):
        return values
    folder = values["dataset"].get("folder")
    # a frozen run has the folder as `nsd`
    found = [key for key in OF_NSD if values.get(key) and str(values[key]) != str(folder)]
    if found:
        raise ValueError(f"{found[0]}: belongs to NSD; remove it, or `dataset`")
    return {**values, "nsd": folder}
