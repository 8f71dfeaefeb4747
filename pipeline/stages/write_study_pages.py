"""Write the report's pages on all subjects."""

from __future__ import annotations

import gc
from typing import Annotated, Any

from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.anatomy import open_anatomy
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.report.links import page_links
from pipeline.report.page import ReportInputs, write_study_pages
from pipeline.results.metadata import read_metadata, write_metadata
from pipeline.results.provenance import read_provenance


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    configuration: Annotated[dict[str, Any], given.Setting("configuration")]
    audit: given.InputFile
    maps: given.InputFile  # of the first subject
    tables: given.InputFiles
    figures: given.InputFile
    group_maps: given.OptionalInput
    limits: given.InputFile
    calibration: given.OptionalPath  # if it was made
    benchmarks: given.PathParameter
    out_directory: given.PathParameter


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    study = parse_configuration(arguments.configuration)
    inputs = ReportInputs(
        study=study,
        maps=arguments.maps,
        anatomy=open_anatomy(arguments.nsd, study.subjects[0], study.space),
        tables={path.stem: path for path in arguments.tables},
        figures=arguments.figures,
        group_maps=arguments.group_maps,
        limits=read_metadata(arguments.limits),
        calibration=arguments.calibration,
        benchmarks=arguments.benchmarks,
        provenance=read_provenance(arguments.tables[0]),
        audit=read_metadata(arguments.audit),
        directory=arguments.out_directory,
    )
    # nilearn collects garbage with each image; this exempts loaded modules
    gc.freeze()
    write_study_pages(inputs)
    pages = [link["file"] for link in page_links([])]
    write_metadata(arguments.out_directory / "study.json", {"pages": pages})


if __name__ == "__main__":
    run_stage(main)
