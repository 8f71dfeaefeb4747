"""Check every NSD and COCO file that a study needs, before long work."""

from __future__ import annotations

from typing import Annotated, Any

from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.nsd.check import check_tree
from pipeline.nsd.layout import NSDLayout
from pipeline.results.metadata import write_metadata


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    responses: Annotated[dict[str, Any], given.Setting("responses_of")]  # of each subject
    rois: Annotated[list[str], given.Setting("read_atlases")]
    annotations: Annotated[list[str], given.Setting("annotations")]
    map_spaces: Annotated[list[str], given.Setting("map_spaces")]
    split_tables: Annotated[list[dict[str, Any]], given.Setting("split_tables")]
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    summary = check_tree(
        NSDLayout(arguments.nsd),
        arguments.responses,
        arguments.rois,
        arguments.annotations,
        arguments.map_spaces,
        arguments.split_tables,
    )
    write_metadata(arguments.out, summary)


if __name__ == "__main__":
    run_stage(main)
