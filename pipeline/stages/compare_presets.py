"""Tabulate what differs between the results of the study as published and as corrected."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from pipeline.errors import InputError, run_stage
from pipeline.storage import make_provenance, read_table, write_table
from pipeline.tables.columns import COLUMNS
from pipeline.tables.presets import MEAN, SIDES, preset_differences

UNCONFIGURED = (
    "compare_presets: this configuration does not say which results to compare; add "
    "`compare_presets: {published: results/paper, corrected: results/nsd}`"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folders", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    if arguments.folders is None:
        raise InputError(UNCONFIGURED)
    paths = {side: Path(arguments.folders[side]) / "tables/partitions.tsv" for side in SIDES}
    try:
        table = preset_differences(*(read_table(paths[side]) for side in SIDES))
    except ValueError as error:
        raise InputError(f"{' and '.join(map(str, paths.values()))}: {error}") from None
    provenance = make_provenance("compare_presets", arguments.folders, paths)
    write_table(arguments.out, table, COLUMNS, provenance)
    whole = table[(table["subject"] == MEAN) & (table["roi"] == "all")]
    told = whole[["contrast", "component", *SIDES]]
    print(told.to_string(index=False, float_format="%.3f"))


if __name__ == "__main__":
    run_stage(main)
