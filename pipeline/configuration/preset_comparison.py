"""Table of differences between the results of the published and the corrected methods."""

from __future__ import annotations

from pathlib import Path

from pipeline.errors import InputError
from pipeline.results.provenance import make_provenance
from pipeline.results.tables import read_table, write_table
from pipeline.tables.columns import COLUMNS
from pipeline.tables.presets import MEAN, SIDES, preset_differences


def compare_presets(published: Path, corrected: Path) -> str:
    """Write tables/preset_differences.tsv into the corrected study's results.

    Parameters
    ----------
    published, corrected : folders of results, e.g. results/paper and results/nsd

    Returns
    -------
    means over subjects and all voxels, as text

    Raises
    ------
    InputError
        A study has no partitions, or the two have no component in common.
    """
    folders = dict(zip(SIDES, (published, corrected), strict=True))
    paths = {side: folder / "tables/partitions.tsv" for side, folder in folders.items()}
    try:
        table = preset_differences(*(read_table(path) for path in paths.values()))
    except ValueError as error:
        raise InputError(f"{' and '.join(map(str, paths.values()))}: {error}") from None
    settings = {side: str(folder) for side, folder in folders.items()}
    provenance = make_provenance("compare_presets", settings, paths)
    write_table(corrected / "tables/preset_differences.tsv", table, COLUMNS, provenance)
    means = table[(table["subject"] == MEAN) & (table["roi"] == "all")]
    columns = ["comparison", "component", *SIDES]
    return means[columns].to_string(index=False, float_format="%.3f")
