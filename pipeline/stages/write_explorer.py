"""Write the data of a subject's voxels for the report's explorer."""

from __future__ import annotations

from typing import Annotated, Any

from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.anatomy import open_anatomy
from pipeline.dataset.images import open_images
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.report.explorer import Explored, write_explorer
from pipeline.results.metadata import read_metadata
from pipeline.results.tables import read_table


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    configuration: Annotated[dict[str, Any], given.Setting("configuration")]
    models: given.InputFile
    components: given.InputFile
    responses: given.InputFile
    split: given.InputFile
    limits: given.InputFile
    out_directory: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    study = parse_configuration(arguments.configuration)
    split = read_table(arguments.split)
    explored = Explored(
        study=study,
        subject=arguments.subject,
        anatomy=open_anatomy(arguments.nsd, arguments.subject, study.space),
        images=open_images(arguments.nsd),
        models=arguments.models,
        components=arguments.components,
        responses=arguments.responses,
        test_image=split.loc[split["set"] == "test", "nsd_id"].to_numpy(),
        limits=read_metadata(arguments.limits),
    )
    write_explorer(explored, arguments.out_directory)


if __name__ == "__main__":
    run_stage(main)
