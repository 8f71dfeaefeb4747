"""Write the report's page of one subject."""

from __future__ import annotations

from typing import Annotated, Any

from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.anatomy import open_anatomy
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.maps.files import INDEX
from pipeline.report.subject_page import SubjectMaps, write_subject_page
from pipeline.results.metadata import read_metadata, write_metadata
from pipeline.results.tables import read_table


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    configuration: Annotated[dict[str, Any], given.Setting("configuration")]
    maps: given.InputFile
    limits: given.InputFile
    tables: given.InputFiles
    figures: given.InputFile
    out_directory: given.PathParameter  # of the report


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    study = parse_configuration(arguments.configuration)
    limits = read_metadata(arguments.limits)
    subject = read_metadata(arguments.maps / INDEX)["subject"]
    anatomy = open_anatomy(arguments.nsd, subject, study.space)
    maps = SubjectMaps(study, anatomy, subject, arguments.maps, limits)
    tables = {path.stem: read_table(path) for path in arguments.tables}
    write_subject_page(maps, tables, arguments.figures, arguments.out_directory)
    write_metadata(arguments.out_directory / f"{subject}.json", {"page": f"{subject}.html"})


if __name__ == "__main__":
    run_stage(main)
