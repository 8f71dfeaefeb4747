"""Average a subject's responses over the repeats of each image; NSD's betas are z-scored first."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from pipeline.dataset.responses import NOISE_IMAGES, Responses, open_responses
from pipeline.errors import run_stage
from pipeline.fits.voxel_chunks import voxel_blocks
from pipeline.jobs import stage_arguments as given
from pipeline.results.chunk_shapes import tiles
from pipeline.results.provenance import make_provenance
from pipeline.results.result_file import ResultFile
from pipeline.results.storage import create_result

GEOMETRY = {"grid_shape": "axis", "affine": ("affine_row", "affine_column")}


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    configuration: Annotated[dict[str, Any], given.Setting("responses_of.{subject}")]
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    subject, settings = arguments.subject, arguments.configuration
    responses = open_responses(arguments.nsd, subject, settings)
    provenance = make_provenance(
        "average_responses",
        {"subject": subject, **settings, **responses.metadata},
        responses.sources,
        simulated=responses.simulated,
        selected={subject: responses.metadata},
    )
    with create_result(arguments.out, provenance) as file:
        file.add("voxel", "voxel", responses.voxel)
        file.add("image", "image", responses.nsd_id)
        file.add("ncsnr", "voxel", _ncsnr(responses))
        for name, values in responses.geometry.items():
            file.add(name, GEOMETRY[name], values)
        never = _write_blocks(file, responses)
    n_images, n_voxels = len(responses.nsd_id), len(responses.voxel)
    print(f"{subject}: {n_images} images, {n_voxels} voxels, {never} never valid")


def _ncsnr(responses: Responses) -> np.ndarray:
    """Return ncsnr (voxel,) float32; if unknown NaN, so that no voxel is selected by it."""
    ncsnr = responses.ncsnr()
    if ncsnr is None:
        return np.full(len(responses.voxel), np.nan, np.float32)
    return ncsnr.astype(np.float32)


def _write_blocks(file: ResultFile, dataset: Responses) -> int:
    """Write averages block by block; return the number of voxels without a valid response."""
    images, voxel = dataset.nsd_id, dataset.voxel
    shape = len(images), len(voxel)
    names, chunks = ("image", "voxel"), tiles(shape)
    stored = np.dtype(np.float16 if dataset.zscored else np.float32)
    responses = file.add(
        "responses", names, shape=shape, dtype=np.float32, stored=stored, chunks=chunks
    )
    # nearly the same in all voxels: compressed to a hundredth
    n_valid_repeats = file.add(
        "n_valid_repeats", names, shape=shape, dtype=np.uint8, chunks=chunks, compression="lzf"
    )
    sampled = min(NOISE_IMAGES, len(images)), len(voxel)
    noise_sample = file.add(
        "noise_sample", ("noise_sample_image", "voxel"), shape=sampled, dtype=np.float32
    )
    noise_variance = file.add("noise_variance", "voxel", shape=shape[1:], dtype=np.float32)
    never, start = 0, 0
    for block in voxel_blocks(voxel, len(images)):
        averaged = dataset.averaged(block)
        columns = slice(start, start + len(block))
        responses[:, columns] = averaged.responses.astype(stored)
        n_valid_repeats[:, columns] = averaged.n_valid_repeats
        noise_variance[columns] = averaged.noise_variance
        noise_sample[:, columns] = averaged.noise_sample
        never += int(np.count_nonzero(~averaged.n_valid_repeats.any(axis=0)))
        start += len(block)
    file.add("n_repeats", "image", averaged.n_repeats)
    return never


if __name__ == "__main__":
    run_stage(main)
