"""Write the HTML report of a study."""

from __future__ import annotations

import argparse
import gc
import json
import shutil
from pathlib import Path

import pandas as pd

from pipeline.configuration import Configuration, parse_configuration
from pipeline.errors import run_stage
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces import SurfaceSpace
from pipeline.report.page import ReportInputs, write_report
from pipeline.report.views import BrainView, SurfaceView, VolumeView
from pipeline.settings import SURFACES, WHOLE
from pipeline.storage import read_provenance, read_result, read_table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--maps", required=True, nargs="+", type=Path)
    parser.add_argument("--tables", required=True, nargs="+", type=Path)
    parser.add_argument("--validation", nargs="*", default=[], type=Path)
    parser.add_argument("--partitions", nargs="*", default=[], type=Path)
    parser.add_argument("--out-directory", required=True, type=Path)
    arguments = parser.parse_args()
    study = parse_configuration(arguments.configuration)
    layout = NSDLayout(study.nsd)
    inputs = ReportInputs(
        study=study,
        maps={path.parent.name: path for path in arguments.maps},
        views={subject: _view(layout, subject, study) for subject in study.subjects},
        tables={path.stem: _of_whole_study(path) for path in arguments.tables},
        validation={path.stem: read_table(path) for path in arguments.validation},
        partitions={
            contrast: [read_result(path) for path in arguments.partitions if path.stem == contrast]
            for contrast in study.contrasts
        },
        provenance=read_provenance(arguments.tables[0]),
    )
    # nilearn collects garbage whenever it reads an image; frozen modules are not searched
    gc.freeze()
    shutil.rmtree(arguments.out_directory, ignore_errors=True)
    write_report(inputs, arguments.out_directory)


def _of_whole_study(path: Path) -> pd.DataFrame:
    table = read_table(path)
    return table[table["variant"] == WHOLE].drop(columns="variant")


def _view(layout: NSDLayout, subject: str, study: Configuration) -> BrainView:
    settings = study.responses
    if settings.space not in SURFACES:
        return VolumeView(layout.mean_image(subject, settings.space))
    space = SurfaceSpace.open(layout, subject, settings.space, settings.betas)
    return SurfaceView(space.read_meshes("inflated"), space.read_sulcal_depth())


if __name__ == "__main__":
    run_stage(main)
