"""Collect a model's scores, or a comparison's variance components, over repeated splits."""

from __future__ import annotations

import numpy as np

from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import aligned_result, read_result, write_result

OF_MODEL, OF_COMPARISON = ("r", "r2"), ("variance",)


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    fits: given.InputFiles  # of the same model or comparison, one for each split
    out: given.OutputFile


def main() -> None:
    """Stack the arrays of all splits and write them."""
    arguments = Arguments.read()
    first = read_result(arguments.fits[0])
    fits = [first, *(aligned_result(path, first) for path in arguments.fits[1:])]
    names = OF_COMPARISON if "variance" in first.data else OF_MODEL
    splits = [fit.configuration["variant"] for fit in fits]
    fitted = first.configuration
    kept = ("subject", "spaces", "model", "comparison")
    configuration = {key: fitted[key] for key in kept if key in fitted}
    provenance = make_provenance(
        "collect_splits",
        {**configuration, "splits": splits},
        dict(zip(splits, arguments.fits, strict=True)),
    )
    # with the labels of voxels, and of components
    data = first.data[[*names]].drop_vars(names).assign_coords(split=splits)
    for name in names:
        stacked = np.stack([fit[name] for fit in fits])
        data[name] = ("split", *first.data[name].dims), stacked
    write_result(arguments.out, data, provenance)


if __name__ == "__main__":
    run_stage(main)
