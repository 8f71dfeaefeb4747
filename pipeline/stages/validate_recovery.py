"""Compare planted variance in a simulated NSD with recovered variance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from encoding.variance_partitioning import model_name, partition_variance, subsets
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, read_result
from pipeline.results.tables import write_table
from pipeline.simulation.brain import NO_SIGNAL
from pipeline.tables.columns import COLUMNS
from pipeline.tables.tables import subject_of
from pipeline.validation.recovery import compare, false_positives

RECOVERY_COLUMNS = (
    *("group", "component", "perfect", "oracle", "recovered", "spearman", "n_voxels", "subject"),
    "comparison",
)


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    truth: given.InputFiles
    encoding: given.InputFiles
    partitions: given.InputFiles
    out: given.OutputFiles


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    truths = {truth.configuration["subject"]: truth for truth in map(read_result, arguments.truth)}
    recovery = [_recovery(path, truths) for path in arguments.partitions]
    null = [_false_positives(path, truths) for path in arguments.encoding]
    inputs = [*arguments.truth, *arguments.encoding, *arguments.partitions]
    provenance = make_provenance(
        "validate_recovery",
        {},
        {"/".join(path.with_suffix("").parts[-4:]): path for path in inputs},
    )
    compared = [frame for frame in recovery if frame is not None]
    frames = {
        # without comparisons of planted spaces the table has no rows
        "recovery": pd.concat(compared) if compared else pd.DataFrame(columns=RECOVERY_COLUMNS),
        "null_voxels": pd.DataFrame(null),
    }
    for path in arguments.out:
        write_table(path, frames[path.stem], COLUMNS, provenance)


def _recovery(path: Path, truths: dict[str, Result]) -> pd.DataFrame | None:
    """Compare a planted and recovered partition; None if a space was not planted."""
    partition = read_result(path)
    settings = partition.configuration
    spaces, subject = settings["spaces"], settings["subject"]
    truth = truths[subject]
    planted = {frozenset(model.split("+")): model for model in truth["model"].tolist()}
    if not all(frozenset(subset) in planted for subset in subsets(spaces)):
        return None
    # variance was planted in nsdgeneral only, and the mask can be larger
    recovered = partition.ordered("voxel", truth["voxel"], truth.path).by_label("variance")
    kinds = {}
    for kind in ("perfect", "oracle"):
        of_models = truth.by_label(f"{kind}_r2")
        r2 = {
            model_name(subset): of_models[planted[frozenset(subset)]] for subset in subsets(spaces)
        }
        kinds[kind] = partition_variance(r2, spaces)
    frame = compare(kinds["perfect"], kinds["oracle"], recovered, truth["group"])
    return frame.assign(subject=subject, comparison=settings["comparison"])


def _false_positives(path: Path, truths: dict[str, Result]) -> dict[str, object]:
    encoding = read_result(path)
    subject = subject_of(encoding)
    truth = truths[subject]
    planted = encoding.ordered("voxel", truth["voxel"], truth.path)
    r = planted["r"][truth["group"] == NO_SIGNAL]
    return {
        "subject": subject,
        "model": encoding.configuration["model"],
        "false_positives": false_positives(r, len(encoding["image"])),
        "mean_r": float(np.nanmean(r)),
        "n_voxels": int(np.count_nonzero(np.isfinite(r))),
    }


if __name__ == "__main__":
    run_stage(main)
