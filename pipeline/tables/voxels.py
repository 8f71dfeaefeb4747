"""All voxels in two long tables, for further analysis in pandas or R."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet

from encoding.variance_partitioning import model_name
from pipeline.configuration.settings import WHOLE
from pipeline.results.integrity import atomic_path
from pipeline.results.metadata import metadata_path, verify_with_metadata, write_metadata
from pipeline.results.storage import Result
from pipeline.tables.columns import COLUMNS, ROI_COLUMN

SCORES = ("r", "r2", "cv_score", "alpha")
# tests of a model, and of a component
TESTS = ("r_lower", "r_upper", "r2_lower", "r2_upper", "p", "q")
COMPONENT_TESTS = ("variance_lower", "variance_upper", "p", "q")
BOUNDS = ("noise_ceiling", "noise_ceiling_error", "reliability")
HEMISPHERES = ("lh", "rh")


def voxel_locations(
    subject: str, voxel: np.ndarray, grid: tuple[int, ...], rois: pd.DataFrame
) -> pd.DataFrame:
    """Tabulate indices into the volume, or hemisphere and vertex, and ROIs of voxels.

    Parameters
    ----------
    voxel : (voxel,) C-order indices
    grid : (X, Y, Z), or the numbers of vertices (left, right)
    rois : rois/<subject>.tsv

    Returns
    -------
    one row per voxel; names of overlapping regions of an atlas are joined by ", "
    """
    frame = pd.DataFrame({"subject": subject, "voxel": voxel})
    if len(grid) == 3:
        frame["x"], frame["y"], frame["z"] = np.unravel_index(voxel, grid)
    else:
        right = voxel >= grid[0]
        frame["surface_hemisphere"] = np.array(HEMISPHERES)[right.astype(int)]
        frame["vertex"] = voxel - right * grid[0]
    for atlas, rows in rois.groupby("atlas", sort=False):
        names = rows.groupby("voxel")["roi"].agg(", ".join)
        frame[ROI_COLUMN.format(atlas)] = names.reindex(voxel).to_numpy()
    categories = frame.select_dtypes(include=["object", "string"]).columns
    return frame.astype(dict.fromkeys(categories, "category"))


def model_part(where: pd.DataFrame, result: Result, tests: Result) -> pd.DataFrame:
    """Tabulate one row per voxel of a model's fit; `tests` has the same voxels."""
    model = model_name(result.configuration["spaces"])
    scores, bounds = ({name: result[name] for name in names} for names in (SCORES, BOUNDS))
    columns = {**scores, **{name: tests[name] for name in TESTS}, **bounds}
    return where.assign(model=model, **{k: v.astype(np.float32) for k, v in columns.items()})


def component_parts(where: pd.DataFrame, result: Result, tests: Result) -> Iterator[pd.DataFrame]:
    """Yield, for every component of a partition, one row per voxel."""
    comparison = result.configuration["comparison"]
    found = {name: tests.by_label(name) for name in COMPONENT_TESTS}
    for component, values in sorted(result.by_label("variance").items()):
        tested = {name: of_components[component] for name, of_components in found.items()}
        variance = values.astype(np.float32)
        yield where.assign(comparison=comparison, component=component, variance=variance, **tested)


@contextmanager
def parquet_writer(path: Path, provenance: Mapping[str, Any]) -> Iterator[Any]:
    """Yield a function that appends frames, all with the same columns, to a Parquet file.

    The file's metadata hold the columns' descriptions and the provenance, as JSON; so does a JSON
    file beside it, with a checksum of the content.

    Raises
    ------
    KeyError
        A column has no description.
    """
    writer: pyarrow.parquet.ParquetWriter | None = None
    described: dict[str, str] = {}
    with atomic_path(path) as temporary:

        def append(frame: pd.DataFrame) -> None:
            nonlocal writer
            table = pyarrow.Table.from_pandas(_plain(frame), preserve_index=False)
            if writer is None:
                described.update({n: describe(n, path.parent.name) for n in frame.columns})
                metadata = {"columns": json.dumps(described), "provenance": json.dumps(provenance)}
                schema = table.schema.with_metadata({**(table.schema.metadata or {}), **metadata})
                writer = pyarrow.parquet.ParquetWriter(temporary, schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))

        try:
            yield append
        finally:
            if writer is not None:
                writer.close()
    metadata = {"columns": described, "provenance": provenance}
    write_metadata(metadata_path(path), metadata)


def column_names(path: Path) -> list[str]:
    """Return the columns of a table of voxels."""
    return [*verify_with_metadata(path)["columns"]]


def read_voxels(path: Path, columns: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    """Read columns of some models' rows of the study itself, from `tables/voxels/`."""
    verify_with_metadata(path)
    filters = [("variant", "=", WHOLE), ("model", "in", [*models])]
    return pd.read_parquet(path, columns=[*columns], filters=filters)


def read_components(path: Path, columns: Sequence[str], comparison: str) -> pd.DataFrame:
    """Read columns of one comparison's rows, from `tables/voxel_components/`."""
    verify_with_metadata(path)
    filters = [("variant", "=", WHOLE), ("comparison", "=", comparison)]
    return pd.read_parquet(path, columns=[*columns], filters=filters)


def _plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Turn categories into text: their dictionaries would differ between parts of a file."""
    categories = frame.select_dtypes(include="category").columns
    return frame.astype(dict.fromkeys(categories, "object"))


def describe(column: str, table: str = "") -> str:
    """Describe a column of a table; columns of ROIs are named after their atlas."""
    before, after = ROI_COLUMN.split("{}")
    if column.startswith(before) and column not in COLUMNS:
        return COLUMNS[ROI_COLUMN].format(column.removeprefix(before).removesuffix(after))
    return COLUMNS.get(f"{table}.{column}") or COLUMNS[column]
