"""Recompute ncsnr from the betas and compare it with the file that NSD released.

Agreement says that axes, trial order, repeats and the z-score are all read as NSD meant them.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm import tqdm

from encoding.noise_ceiling import signal_to_noise
from pipeline.errors import InputError, run_stage
from pipeline.nsd.design import read_design
from pipeline.nsd.files import read_volume
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_grid, read_mask
from pipeline.nsd.sessions import SessionReader, voxel_blocks
from pipeline.storage import make_provenance, write_table
from pipeline.tables.columns import COLUMNS

# in units of the trials' variance; betas are stored as integers of 1/300 percent
TOLERANCE = 1e-3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    layout, subject, settings = NSDLayout(arguments.nsd), arguments.subject, arguments.configuration
    space, betas = settings["space"], settings["betas"]
    design, grid = read_design(layout, subject), read_grid(layout, subject, space)
    voxel = read_mask(layout, subject, space, settings["mask"])
    # NSD's own ncsnr is of responses z-scored within session over all trials
    reader = SessionReader(layout, design, grid, space, betas)
    recomputed = np.concatenate(
        [
            signal_to_noise(reader.sessions(block), design.images, len(block))
            for block in tqdm(voxel_blocks(voxel, 2 * len(design.images)), subject, unit="block")
        ]
    )
    path = layout.ncsnr(subject, space, betas)
    released = read_volume(path, grid.shape).ravel()[voxel]
    compared = np.isfinite(recomputed) & np.isfinite(released)
    # the share of noise: unlike ncsnr itself it is smooth where there is no signal
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
            f"{path}: {wrong} of {len(difference)} voxels differ from what the betas of "
            f"{design.n_sessions} sessions give (noise variance by up to {difference.max():.3g}). "
            "Betas, trials and ncsnr are not of one version or session count; fetch them again "
            "from NSD."
        )
    print(table.to_string(index=False))
    provenance = make_provenance(
        "compare_noise_ceilings",
        {"subject": subject, **settings},
        {"experiment_design": layout.experiment_design, "ncsnr": path},
        simulated=layout.is_simulated,
    )
    write_table(arguments.out, table, COLUMNS, provenance)


def _noise(ncsnr: np.ndarray) -> np.ndarray:
    """Variance of a single trial's noise, of trials with unit variance."""
    return 1 / (1 + np.asarray(ncsnr, dtype=np.float64) ** 2)


if __name__ == "__main__":
    run_stage(main)
