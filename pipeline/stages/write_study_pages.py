"""Write the report's pages of a whole study."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from pipeline.configuration import parse_configuration
from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.nsd.layout import NSDLayout
from pipeline.report.links import page_links
from pipeline.report.page import ReportInputs, write_study_pages
from pipeline.seals import read_account
from pipeline.storage import read_provenance, write_account


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--configuration", required=True, type=setting)
    parser.add_argument("--tables", required=True, nargs="+", type=Path)
    parser.add_argument("--figures", required=True, type=Path)
    parser.add_argument("--group-maps", type=Path)
    parser.add_argument("--limits", required=True, type=Path)
    parser.add_argument("--calibration", type=Path, help="if it was made")
    parser.add_argument("--benchmarks", required=True, type=Path)
    parser.add_argument("--out-directory", required=True, type=Path)
    arguments = parser.parse_args()
    inputs = ReportInputs(
        study=parse_configuration(arguments.configuration),
        layout=NSDLayout(arguments.nsd),
        tables={path.stem: path for path in arguments.tables},
        figures=arguments.figures,
        group_maps=arguments.group_maps,
        limits=read_account(arguments.limits),
        calibration=arguments.calibration,
        benchmarks=arguments.benchmarks,
        provenance=read_provenance(arguments.tables[0]),
        directory=arguments.out_directory,
    )
    # nilearn collects garbage whenever it reads an image; frozen modules are not searched
    gc.freeze()
    write_study_pages(inputs)
    pages = [link["file"] for link in page_links([])]
    write_account(arguments.out_directory / "study.json", {"pages": pages})


if __name__ == "__main__":
    run_stage(main)
