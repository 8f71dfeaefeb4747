"""The demo's numbers of some voxels, to see what a change of the code moves.

    python -m benchmarks.demo_numbers write TABLE.tsv       # of results/demo
    python -m benchmarks.demo_numbers compare TABLE.tsv     # results/demo against the table

The table has every score, pick, component, interval, p and q of `VOXELS` seeded voxels: one row for
each array and voxel. `compare` prints, for each kind of number, how many there are, how many are
farther apart than the tolerance, and the largest difference; it fails if more than 1 % of a kind
are, or if one is no longer there. What a change moves on purpose is written anew in its commit.
Tables of before each set of spaces was fitted once, and of before arrays had named dimensions, are
read by the names that CHANGELOG.md maps to the present ones; a model that several comparisons
fitted is compared with each.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.results.storage import Result, read_result

KINDS = ("encoding", "significance", "partitions")
VOXELS, SEED = 20, 0
# relative and absolute: fits on another processor differ by rounding, and in ties
RELATIVE, ABSOLUTE = 1e-3, 1e-4
SHARE = 0.01


# of a model in a file of all models of a comparison: encoding/<s>/<v>/<comparison>.h5, <model>/r
OF_A_MODEL = (
    r"^(?!stacked/)(?P<model>\w+(?:\+\w+)*)/(?P<quantity>r|r2|cv_score|alpha|p|q"
    r"|r2?_(?:lower|upper)|band_weights\[\d+\]|product/\w+)$"
)


def with_present_names(table: pd.DataFrame) -> pd.DataFrame:
    """Rows of `numbers` by the names of now: a file for each model, whatever comparisons it is in.

    How a comparison's models were searched together has no counterpart.
    """
    file, array = table["file"], table["array"]
    found = array.str.extract(OF_A_MODEL)
    joint = found["model"].dropna().groupby(file).agg(lambda names: max(names, key=len_of_set))
    model = found["model"].astype(object).fillna(file.map(joint))
    moved = model.notna() & ~file.str.startswith("partitions/")
    moved &= ~array.str.startswith("component/")
    folder = file.str.replace(r"[^/]+$", "", regex=True)
    own = folder.astype(object) + model.astype(object) + ".h5"
    renamed = table.assign(
        file=own.where(moved, file), array=found["quantity"].where(moved, array).fillna(array)
    )
    renamed = renamed[(array != "searched_exactly") | (renamed["file"] == file)]
    return renamed.assign(array=with_labels(renamed["array"], renamed["file"]))


# an array for each label before, now one with a dimension of them: product/clip
LABELLED = {
    r"^component/([^/]+)/(\w+)$": r"\2[\1]",
    r"^component/([^/]+)$": r"variance[\1]",
    r"^product/(\w+)$": r"product_measure[\1]",
    r"^r2/stacked$": "stacked_r2",
    r"^r2/([^/]+)$": r"r2[\1]",
    r"^stacked/": "stacked_",
}


def with_labels(arrays: pd.Series, files: pd.Series) -> pd.Series:
    """Names of arrays with the labels of their first dimension: `variance[bert&clip]`."""
    for before, now in LABELLED.items():
        arrays = arrays.str.replace(before, now, regex=True)
    spaces = files.str.extract(r"([^/]+)\.h5$")[0].str.split("+")
    numbered = arrays.str.extract(r"^(\w+)\[(\d+)\]$")
    named = [
        array if pd.isna(number) else f"{name}[{of[int(number)]}]"
        for array, name, number, of in zip(arrays, *numbered.to_numpy().T, spaces, strict=True)
    ]
    return pd.Series(named, arrays.index, dtype=object)


def len_of_set(model: str) -> int:
    """Return the number of a model's spaces."""
    return model.count("+") + 1


def numbers(root: Path) -> Iterator[dict[str, object]]:
    """Rows `file`, `array`, `voxel`, `value` of the results below `root`."""
    for kind in KINDS:
        for path in sorted((root / kind).rglob("*.h5")):
            result = read_result(path)
            order = np.random.default_rng(SEED).permutation(len(result["voxel"]))
            rows = np.sort(order[:VOXELS])
            for array, values in _of_voxels(result):
                for voxel, value in zip(result["voxel"][rows], values[rows], strict=True):
                    file = str(path.relative_to(root))
                    row = {"file": file, "array": array, "voxel": int(voxel)}
                    yield row | {"value": float(f"{value:.6g}")}


def _of_voxels(result: Result) -> Iterator[tuple[str, np.ndarray]]:
    """Names, with labels of another dimension, and values (voxel,) of numbers."""
    for name, array in sorted(result.data.items()):
        if array.dims == ("voxel",):
            yield name, result[name].astype(float)
        elif "voxel" in array.dims:
            for label, values in result.by_label(name).items():
                yield f"{name}[{label}]", values.astype(float)


def compare(table: pd.DataFrame, found: pd.DataFrame) -> pd.DataFrame:
    """One row for each kind of number, the name of an array without its labels."""
    keys = ["file", "array", "voxel"]
    table, found = with_present_names(table), with_present_names(found)
    both = table.merge(found, on=keys, how="outer", suffixes=("", "_found"), indicator=True)
    both["kind"] = both["array"].str.replace(r"\[.*\]$", "", regex=True)
    before, after = both["value"], both["value_found"]
    both["difference"] = (after - before).abs()
    close = np.isclose(after, before, rtol=RELATIVE, atol=ABSOLUTE, equal_nan=True)
    both["apart"] = ~close & (both["_merge"] == "both")
    both["lost"], both["new"] = both["_merge"] == "left_only", both["_merge"] == "right_only"
    groups = both.groupby("kind")
    return pd.DataFrame(
        {
            "numbers": groups.size(),
            "apart": groups["apart"].sum(),
            "lost": groups["lost"].sum(),
            "new": groups["new"].sum(),
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
    if (kinds["apart"] > SHARE * kinds["numbers"]).any() or kinds["lost"].any():
        sys.exit("The demo's numbers have moved: say why, and write the table anew.")


if __name__ == "__main__":
    main()
