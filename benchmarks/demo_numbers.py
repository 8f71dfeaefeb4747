"""The demo's numbers of some voxels, to see what a change of the code moves.

    python -m benchmarks.demo_numbers write TABLE.tsv       # of results/demo
    python -m benchmarks.demo_numbers compare TABLE.tsv     # results/demo against the table

The table has every score, pick, component, interval, p and q of `VOXELS` seeded voxels: one row for
each array and voxel. `compare` prints, for each kind of number, how many there are, how many are
farther apart than the tolerance, and the largest difference; it fails if more than 1 % of a kind
are, or if one is only on one side. What a change moves on purpose is written anew in its commit.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.storage import is_per_voxel, read_result

KINDS = ("encoding", "significance", "partitions")
VOXELS, SEED = 20, 0
# relative and absolute: fits on another processor differ by rounding, and in ties
RELATIVE, ABSOLUTE = 1e-3, 1e-4
SHARE = 0.01


def numbers(root: Path) -> Iterator[dict[str, object]]:
    """Rows `file`, `array`, `voxel`, `value` of the results below `root`."""
    for kind in KINDS:
        for path in sorted((root / kind).rglob("*.h5")):
            result = read_result(path)
            order = np.random.default_rng(SEED).permutation(len(result["voxel"]))
            rows = np.sort(order[:VOXELS])
            for name, values in sorted(result.arrays.items()):
                if name != "voxel" and is_per_voxel(name) and values.dtype.kind in "fiub":
                    flat = values.reshape(-1, values.shape[-1])[:, rows]
                    for place, line in enumerate(flat.astype(float)):
                        array = f"{name}[{place}]" if values.ndim > 1 else name
                        for voxel, value in zip(result["voxel"][rows], line, strict=True):
                            file = str(path.relative_to(root))
                            row = {"file": file, "array": array, "voxel": int(voxel)}
                            yield row | {"value": float(f"{value:.6g}")}


def compare(table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """One row for each kind of number, the last part of an array's name."""
    keys = ["file", "array", "voxel"]
    both = table.merge(found, on=keys, how="outer", suffixes=("", "_found"), indicator=True)
    both["kind"] = both["array"].str.replace(r"\[\d+\]$", "", regex=True).str.split("/").str[-1]
    before, after = both["value"], both["value_found"]
    both["difference"] = (after - before).abs()
    close = np.isclose(after, before, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    both["apart"] = ~close & (both["_merge"] == "both")
    both["missing"] = both["_merge"] != "both"
    groups = both.groupby("kind")
    return pd.DataFrame(
        {
            "numbers": groups.size(),
            "apart": groups["apart"].sum(),
            "on_one_side": groups["missing"].sum(),
            "largest_difference": groups["difference"].max(),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["write", "compare"])
    parser.add_argument("table", type=Path)
    parser.add_argument("--results", type=Path, default=Path("results/demo"))
    arguments = parser.parse_args()
    found = pd.DataFrame(numbers(arguments.results))
    if arguments.command == "write":
        found.to_csv(arguments.table, sep="\t", index=False)
        return
    kinds = compare(pd.read_csv(arguments.table, sep="\t"), found)
    print(kinds.to_string())
    if (kinds["apart"] > SHARE * kinds["numbers"]).any() or kinds["on_one_side"].any():
        sys.exit("The demo's numbers have moved: say why, and write the table anew.")


if __name__ == "__main__":
    main()
