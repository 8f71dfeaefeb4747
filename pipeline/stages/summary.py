"""Print where a study's report is, and the headlines of its tables."""

from __future__ import annotations

import argparse
from pathlib import Path

from pipeline.configuration import read_configuration
from pipeline.errors import run_stage
from pipeline.report.html import banners
from pipeline.storage import read_provenance, read_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", required=True, type=Path)
    arguments = parser.parse_args()
    study = read_configuration(arguments.configfile)
    results = Path("results") / study.study
    tables = {
        name: read_table(results / f"tables/{name}.tsv")
        for name in ("correlations", "partitions", "best_voxels")
    }
    correlations = tables["correlations"].query("roi == 'all' and variant == 'all'")
    partitions = tables["partitions"].query("roi == 'all' and variant == 'all'")
    best = tables["best_voxels"].query("variant == 'all'")
    for title, frame, columns in (
        ("Correlations, mean over voxels", correlations, ["subject", "model", "mean_r", "mean_r2"]),
        (
            "Variance partitions, mean over voxels",
            partitions,
            ["subject", "contrast", "component", "mean_variance"],
        ),
        ("Best voxels", best, ["subject", "model", "best_r", "best_r2", "best_voxel_rois"]),
    ):
        print(f"\n{title}\n{frame[columns].to_string(index=False, float_format='%.3f')}")
    print()
    for text in banners(read_provenance(results / "tables/correlations.tsv")):
        print(text)
    print(f"Tables: {results / 'tables'}   Maps: {results / 'maps'}")
    print(f"Report: {(results / 'report/index.html').resolve()}")


if __name__ == "__main__":
    run_stage(main)
