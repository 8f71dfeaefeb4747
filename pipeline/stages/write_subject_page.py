"""Write the report's page of one subject."""

from __future__ import annotations

import argparse
import gc
from pathlib import Path

from pipeline.configuration import parse_configuration
from pipeline.errors import run_stage
from pipeline.frozen_run import setting
from pipeline.nsd.layout import NSDLayout
from pipeline.report.subject_page import SubjectMaps, write_subject_page
from pipeline.seals import read_account
from pipeline.storage import read_table, write_account


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--configuration", required=True, type=setting)
    parser.add_argument("--maps", required=True, type=Path)
    parser.add_argument("--limits", required=True, type=Path)
    parser.add_argument("--tables", required=True, nargs="+", type=Path)
    parser.add_argument("--figures", required=True, type=Path)
    parser.add_argument("--out-directory", required=True, type=Path, help="of the report")
    arguments = parser.parse_args()
    study = parse_configuration(arguments.configuration)
    limits = read_account(arguments.limits)
    # nilearn collects garbage whenever it reads an image; frozen modules are not searched
    gc.freeze()
    subject = arguments.maps.parent.name
    maps = SubjectMaps(study, NSDLayout(arguments.nsd), subject, arguments.maps, limits)
    tables = {path.stem: read_table(path) for path in arguments.tables}
    write_subject_page(maps, tables, arguments.figures, arguments.out_directory)
    write_account(arguments.out_directory / f"{subject}.json", {"page": f"{subject}.html"})


if __name__ == "__main__":
    run_stage(main)
