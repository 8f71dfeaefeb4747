"""Audit a finished study for leakage and mixed results; it fails if there is any."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from pipeline.configuration.settings import WHOLE
from pipeline.errors import InputError, run_stage
from pipeline.fits.fit_inputs import verify_features
from pipeline.jobs import stage_arguments as given
from pipeline.jobs.frozen_run import current_run
from pipeline.results.audit import (
    CONVENTIONS,
    audit_fit,
    audit_inputs,
    audit_record,
    audit_same_voxels,
    audit_sides,
    audit_split,
    near_duplicates,
    problem_of,
)
from pipeline.results.metadata import metadata_path, write_metadata
from pipeline.results.tables import read_table


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    files: Annotated[dict[str, Any], given.Setting("audited")]
    # {space: what its features must be}
    specifications: Annotated[dict[str, Any], given.Setting("feature_specification")]
    dataset: Annotated[dict[str, Any] | None, given.Setting("dataset")]  # if not NSD
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    problems = [
        problem
        for variants in arguments.files.values()
        for problem in _audit_subject(variants, arguments.specifications)
    ]
    if problems:
        # files that variants share are checked several times
        raise InputError("\n".join(dict.fromkeys(problems)))
    fits = {
        subject: sum(len(files["fits"]) for files in variants.values())
        for subject, variants in arguments.files.items()
    }
    duplicates = {
        subject: near_duplicates(Path(variants[WHOLE]["split"]))
        for subject, variants in arguments.files.items()
    }
    conventions = CONVENTIONS if arguments.dataset is None else ()
    metadata = {"audited_fits": fits, "near_duplicates": duplicates, "by_convention": conventions}
    write_metadata(arguments.out, metadata)
    print(f"audit: {sum(fits.values())} fits of {len(fits)} subjects; no test image in training")
    for subject, words in duplicates.items():
        print(
            f"{subject}: {words or 'near duplicates are counted if `splits.space` names a space'}"
        )
    for convention in conventions:
        print(f"by convention: {convention}")


def _audit_subject(
    variants: dict[str, dict[str, Any]], specifications: dict[str, Any]
) -> Iterator[str]:
    for files in variants.values():
        yield from _audit_variant(files, specifications)
        if not files["own_split"]:
            yield from audit_sides(Path(files["split"]), Path(variants[WHOLE]["split"]))
    fits = [Path(name) for files in variants.values() for name in files["fits"]]
    yield from audit_same_voxels(fits)


def _audit_variant(files: dict[str, Any], specifications: dict[str, Any]) -> Iterator[str]:
    split_path, responses = Path(files["split"]), Path(files["responses"])
    results = [responses, *files["features"], *files["fits"], metadata_path(split_path)]
    for path in results:
        yield from audit_record(Path(path), current_run())
    yield from audit_split(split_path)
    split = read_table(split_path)
    for name, space in files["features"].items():
        yield from problem_of(partial(verify_features, Path(name), specifications[space]))
    for path in map(Path, files["reduced"]):
        yield from audit_inputs(path, {"split": split_path})
    for name, spaces in files["fits"].items():
        inputs = {space: Path(path) for space, path in spaces.items()}
        inputs |= {"split": split_path, "responses": responses}
        yield from audit_inputs(Path(name), inputs)
        yield from audit_fit(Path(name), split)


if __name__ == "__main__":
    run_stage(main)
