"""Recompute ncsnr from the betas and compare it with the file that NSD released.

Agreement shows that axes, trial order, repeats and the z-score are read as NSD defines them.
"""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np
import pandas as pd

from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.masks import select_voxels
from pipeline.nsd.noise_ceilings import recompute_ncsnr
from pipeline.nsd.spaces import open_space
from pipeline.results.provenance import make_provenance
from pipeline.results.tables import write_table
from pipeline.tables.columns import COLUMNS

# in units of the trials' variance; betas are stored as integers of 1/300 percent
TOLERANCE = 1e-3


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    configuration: Annotated[dict[str, Any], given.Setting("responses_of.{subject}")]
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    if arguments.configuration["sessions"] is not None:
        raise InputError(
            "responses.sessions: NSD's ncsnr is of all sessions, so that one of fewer cannot be "
            "compared with it; leave `sessions` out."
        )
    layout, subject, settings = NSDLayout(arguments.nsd), arguments.subject, arguments.configuration
    space = open_space(layout, subject, settings["space"], settings["betas"])
    design = read_design(layout, subject)
    # without a threshold on the ncsnr that is to be compared
    voxel = select_voxels(space, settings["mask"]).voxel
    recomputed = recompute_ncsnr(space, design, voxel)
    released = space.read_ncsnr()[voxel]
    compared = np.isfinite(recomputed) & np.isfinite(released)
    folder = layout.beta_folder(subject, space.name, space.betas)
    if one_sided := np.count_nonzero(np.isfinite(recomputed) != np.isfinite(released)):
        raise InputError(
            f"{folder}: {one_sided} of {len(voxel)} voxels have a released ncsnr or one from the "
            "betas, but not both. Betas, trials and ncsnr are not of one version or session "
            "count; fetch them again from NSD."
        )
    if not compared.any():
        raise InputError(
            f"{folder}: none of {len(voxel)} voxels has an ncsnr, released or from the betas. "
            "Fetch betas and ncsnr again from NSD."
        )
    # the noise variance, unlike ncsnr, is smooth where there is no signal
    difference = np.abs(_noise(recomputed) - _noise(released))[compared]
    table = pd.DataFrame(
        {
            "subject": [subject],
            "n_voxels": [int(np.count_nonzero(compared))],
            "n_excluded": [int(np.count_nonzero(~compared))],
            "median_released_ncsnr": [np.median(released[compared])],
            "median_recomputed_ncsnr": [np.median(recomputed[compared])],
            "largest_noise_difference": [difference.max()],
        }
    )
    wrong = np.count_nonzero(difference > TOLERANCE)
    if wrong:
        raise InputError(
            f"{folder}: ncsnr of {wrong} of {len(difference)} voxels differs from what the betas "
            f"of {design.n_sessions} sessions give (noise variance by up to "
            f"{difference.max():.3g}). Betas, trials and ncsnr are not of one version or session "
            "count; fetch them again from NSD."
        )
    print(table.to_string(index=False))
    print(
        f"{subject} in {space.name}: the released ncsnr is that of the betas; a trial's noise "
        f"variance differs by at most {difference.max():.1g}, {TOLERANCE:g} is tolerated."
    )
    provenance = make_provenance(
        "compare_noise_ceilings",
        {"subject": subject, **settings},
        {"experiment_design": layout.experiment_design, "trials": layout.behaviour(subject)},
        simulated=layout.is_simulated,
    )
    excluded = "number of modelled voxels that are left out of n_voxels because they have no ncsnr"
    write_table(arguments.out, table, {**COLUMNS, "n_excluded": excluded}, provenance)


def _noise(ncsnr: np.ndarray) -> np.ndarray:
    """Return the noise variance of a single trial, if trials have unit variance."""
    return 1 / (1 + np.asarray(ncsnr, dtype=np.float64) ** 2)


if __name__ == "__main__":
    run_stage(main)
