"""False discovery rates of files and tables, within families of tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from encoding.inference.significance import false_discovery_rate
from pipeline.fits.families import FAMILY


def false_discovery_rates(p: np.ndarray) -> np.ndarray:
    """Return q (…, voxel) float32 of p (…, voxel); the voxels of each row are a family."""
    return np.apply_along_axis(false_discovery_rate, -1, p).astype(np.float32)


def covered(q: np.ndarray) -> str:
    """Describe the family of the q-values (voxel,) of a map; NaN where nothing was tested."""
    n_tests = np.count_nonzero(np.isfinite(q))
    return f"{FAMILY}: the {n_tests} tests of this map; no other map, comparison or subject"


def with_q(table: pd.DataFrame, p: tuple[str, ...], family: list[str]) -> pd.DataFrame:
    """Add to a table a column `q…` for each of its columns `p…`, and `n_tests`.

    Parameters
    ----------
    p : columns of p-values; NaN where nothing was tested
    family : columns whose values are the same in all rows of a family

    Returns
    -------
    the same rows; `n_tests` is the number of tests in the family, by the first of the columns
    """
    rows = table.groupby(family, sort=False)
    added = {f"q{name[1:]}": rows[name].transform(_of_family) for name in p}
    return table.assign(**added, n_tests=rows[p[0]].transform("count"))


def _of_family(p: pd.Series) -> pd.Series:
    return pd.Series(false_discovery_rate(p.to_numpy()), p.index)
