"""Check every file of NSD, COCO and the user that a study needs, before long work."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np

from pipeline.dataset.given_features import check_given_features
from pipeline.dataset.images import open_images
from pipeline.dataset.kinds import is_matrices
from pipeline.dataset.own_texts import read_own_texts
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.matrices.check import find_problems
from pipeline.matrices.sizes import count
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
    stimuli: Annotated[list[str], given.Setting("stimuli")]
    tests: Annotated[list[str], given.Setting("tests")]  # test images, by their names
    split_tables: Annotated[list[dict[str, Any]], given.Setting("split_tables")]
    experiments: Annotated[list[str], given.Setting("experiments")]
    own_features: Annotated[dict[str, Any], given.Setting("own_features")]  # that files have
    own_texts: Annotated[dict[str, Any], given.Setting("own_texts")]  # of each network
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    summary = _check_matrices(arguments) if is_matrices(arguments.nsd) else _check_nsd(arguments)
    if arguments.own_features or arguments.own_texts:
        _check_what_users_bring(arguments)
    write_metadata(arguments.out, summary)


def _check_what_users_bring(arguments: Arguments) -> None:
    images = open_images(arguments.nsd)
    seen = np.unique(np.concatenate([images.seen(subject) for subject in arguments.responses]))
    for network, table in arguments.own_texts.items():
        try:
            read_own_texts(Path(table["texts"]), np.union1d(seen, images.shared()))
        except InputError as error:
            raise InputError(f"networks.{network}: {error}") from None
    if arguments.own_features:
        for text in check_given_features(images, seen, **arguments.own_features):
            print(f"warning: {text}")


def _check_nsd(arguments: Arguments) -> dict[str, Any]:
    return check_tree(
        NSDLayout(arguments.nsd),
        arguments.responses,
        arguments.rois,
        arguments.annotations,
        arguments.map_spaces,
        arguments.split_tables,
        arguments.experiments,
    )


def _check_matrices(arguments: Arguments) -> dict[str, Any]:
    folder, subjects = arguments.nsd, list(arguments.responses)
    problems = find_problems(
        *(folder, subjects, arguments.rois, arguments.stimuli),
        *(arguments.tests, arguments.split_tables),
    )
    if problems:
        raise InputError("\n".join(problems))
    return {subject: vars(count(folder, subject)) for subject in subjects}


if __name__ == "__main__":
    run_stage(main)
