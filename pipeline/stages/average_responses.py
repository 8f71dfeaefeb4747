"""z-score a subject's betas within session and average them over the repeats of each image."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from pipeline.errors import run_stage
from pipeline.nsd.betas import read_session
from pipeline.nsd.design import Design, read_design
from pipeline.nsd.files import read_volume
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.responses import average_repeats, zscore_session
from pipeline.nsd.rois import Grid, read_grid, read_mask
from pipeline.storage import make_provenance, write_result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nsd", required=True, type=Path)
    parser.add_argument("--subject", required=True)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    layout, subject, settings = NSDLayout(arguments.nsd), arguments.subject, arguments.configuration
    design = read_design(layout, subject)
    grid = read_grid(layout, subject, settings["space"])
    voxel = read_mask(layout, subject, settings["space"], settings["mask"])
    sessions = _sessions(layout, design, voxel, grid, settings)
    averaged = average_repeats(sessions, design.images, len(voxel))
    never = np.count_nonzero(~averaged.n_valid_repeats.any(axis=0))
    print(f"{subject}: {len(averaged.nsd_id)} images, {len(voxel)} voxels, {never} never valid")
    ncsnr = read_volume(layout.ncsnr(subject, settings["space"], settings["betas"]), grid.shape)
    write_result(
        arguments.out,
        {
            "responses": averaged.responses,
            "nsd_id": averaged.nsd_id,
            "n_repeats": averaged.n_repeats,
            "n_valid_repeats": averaged.n_valid_repeats,
            "voxel": voxel,
            "ncsnr": ncsnr.ravel()[voxel].astype(np.float32),
            "grid_shape": np.array(grid.shape),
            "affine": grid.affine,
        },
        make_provenance(
            "average_responses",
            {"subject": subject, "sessions": design.n_sessions, **settings},
            {"experiment_design": layout.experiment_design, "trials": layout.behaviour(subject)},
            simulated=layout.is_simulated,
        ),
    )


def _sessions(
    layout: NSDLayout, design: Design, voxel: np.ndarray, grid: Grid, settings: dict[str, str]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    numbers = range(1, design.n_sessions + 1)
    for number in tqdm(numbers, desc=design.subject, unit="session"):
        betas = read_session(
            layout, design.subject, number, voxel, grid, settings["space"], settings["betas"]
        )
        yield design.nsd_id[design.session_trials(number)], zscore_session(betas)


if __name__ == "__main__":
    run_stage(main)
