"""z-score a subject's betas and average them over the repeats of each image."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import h5py
import numpy as np
from tqdm import tqdm

from pipeline import stage_arguments as given
from pipeline.chunk_shapes import tiles
from pipeline.errors import run_stage
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.noise_ceilings import recompute_ncsnr
from pipeline.nsd.responses import NOISE_IMAGES, average_repeats
from pipeline.nsd.rois import read_mask
from pipeline.nsd.sessions import SessionReader, voxel_blocks
from pipeline.storage import create_result, make_provenance

Sessions = Iterator[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Arguments(given.StageArguments):
    """What the stage is given."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    configuration: Annotated[dict[str, Any], given.Setting("responses")]
    out: given.OutputFile


def main() -> None:
    arguments = Arguments.read()
    layout, subject, settings = NSDLayout(arguments.nsd), arguments.subject, arguments.configuration
    reader = SessionReader.open(layout, subject, settings)
    voxel = read_mask(reader.space, settings["mask"])
    provenance = make_provenance(
        "average_responses",
        {"subject": subject, "sessions": reader.design.n_sessions, **settings},
        {"experiment_design": layout.experiment_design, "trials": layout.behaviour(subject)},
        simulated=layout.is_simulated,
    )
    with create_result(arguments.out, provenance) as file:
        file["voxel"] = voxel
        file["ncsnr"] = _ncsnr(reader, voxel, settings["ncsnr"]).astype(np.float32)
        for name, values in reader.space.geometry.items():
            file[name] = values
        never = _write_blocks(file, reader, voxel)
    images = len(reader.design.images)
    print(f"{subject}: {images} images, {len(voxel)} voxels, {never} never valid")


def _ncsnr(reader: SessionReader, voxel: np.ndarray, source: str) -> np.ndarray:
    if source == "recomputed":
        return recompute_ncsnr(reader.space, reader.design, voxel)
    return reader.space.read_ncsnr()[voxel]


def _write_blocks(file: h5py.File, reader: SessionReader, voxel: np.ndarray) -> int:
    """Average block by block into the file; the number of voxels that no session covered."""
    images = reader.design.images
    blocks = voxel_blocks(voxel, len(images))
    shape = len(images), len(voxel)
    chunks = tiles(shape)
    responses = file.create_dataset("responses", shape, np.float32, chunks=chunks)
    n_valid_repeats = file.create_dataset("n_valid_repeats", shape, np.uint8, chunks=chunks)
    noise_sample = file.create_dataset(
        "noise_sample", (min(NOISE_IMAGES, images.size), len(voxel)), np.float32
    )
    noise_variance = file.create_dataset("noise_variance", len(voxel), np.float32)
    file["nsd_id"] = images
    never, start = 0, 0
    total = len(blocks) * reader.design.n_sessions
    with tqdm(desc=reader.design.subject, total=total, unit="session") as progress:
        for block in blocks:
            sessions = _counted(reader.sessions(block), progress)
            averaged = average_repeats(sessions, images, len(block))
            columns = slice(start, start + len(block))
            responses[:, columns] = averaged.responses
            n_valid_repeats[:, columns] = averaged.n_valid_repeats
            noise_variance[columns] = averaged.noise_variance
            noise_sample[:, columns] = averaged.noise_sample
            never += np.count_nonzero(~averaged.n_valid_repeats.any(axis=0))
            start += len(block)
    file["n_repeats"] = averaged.n_repeats
    return never


def _counted(sessions: Sessions, progress: tqdm) -> Sessions:
    for session in sessions:
        yield session
        progress.update()


if __name__ == "__main__":
    run_stage(main)
