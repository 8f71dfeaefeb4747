"""Join the voxel parts of a result that several jobs computed."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import h5py

from pipeline.errors import InputError, run_stage
from pipeline.fits.false_discoveries import false_discovery_rates
from pipeline.jobs import stage_arguments as given
from pipeline.results.result_file import ResultFile, array_names, dimensions_of
from pipeline.results.storage import create_result, open_result, provenance_in

VOXELS_AT_A_TIME = 4096


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    parts: given.InputFiles  # in order of voxels
    out: given.OutputFile
    false_discovery_rates: given.Switch = False  # q of every p, over all voxels


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    with ExitStack() as stack:
        parts = [stack.enter_context(open_result(path)) for path in arguments.parts]
        provenance = _joined_provenance(arguments.parts, parts)
        out = stack.enter_context(create_result(arguments.out, provenance))
        for name in array_names(parts[0]):
            _join(out, name, [part[name] for part in parts])
        if arguments.false_discovery_rates:
            p = out["p"]
            out.add("q", dimensions_of(p), false_discovery_rates(p[()]))


def _joined_provenance(paths: list[Path], parts: list[h5py.File]) -> dict[str, Any]:
    """Return the provenance of parts that agree in all but what computed them."""
    found = [provenance_in(part) for part in parts]
    computed_by = {each.get("configuration", {}).pop("computed_by", None) for each in found}
    for path, each in zip(paths, found, strict=True):
        if each != found[0]:
            raise InputError(
                f"{path}: made of other inputs or with other settings than {paths[0]}. Delete both "
                "and run snakemake again."
            )
    if named := sorted(filter(None, computed_by)):
        found[0]["configuration"]["computed_by"] = ", ".join(named)
    return found[0]


def _join(out: ResultFile, name: str, parts: list[h5py.Dataset]) -> None:
    if "voxel" not in dimensions_of(parts[0]):
        out.add_like(parts[0], parts[0].shape)[...] = parts[0][()]
        return
    n_voxels = sum(part.shape[-1] for part in parts)
    joined = out.add_like(parts[0], (*parts[0].shape[:-1], n_voxels))
    first = 0
    for part in parts:
        for start in range(0, part.shape[-1], VOXELS_AT_A_TIME):
            values = part[..., start : start + VOXELS_AT_A_TIME]
            here = slice(first + start, first + start + values.shape[-1])
            joined[..., here] = values
        first += part.shape[-1]


if __name__ == "__main__":
    run_stage(main)
