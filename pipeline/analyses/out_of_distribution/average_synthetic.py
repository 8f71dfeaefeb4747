"""Average a subject's responses to NSD-synthetic over the trials of each image."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from encoding.noise_ceiling import trial_noise_ceiling
from pipeline.dataset.out_of_distribution import AveragedTrials, open_synthetic
from pipeline.errors import InputError, run_stage
from pipeline.fits.voxel_chunks import voxel_blocks
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import open_result, write_result


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    subject: given.Wildcard
    configuration: Annotated[dict[str, Any], given.Setting("responses_of.{subject}")]
    responses: given.InputFile
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    opened = open_synthetic(arguments.nsd, arguments.subject)
    responses = opened.responses(arguments.configuration)
    with open_result(arguments.responses) as file:
        voxel = file["voxel"][()]
    trials = responses.metadata["trials"]
    blocks = [responses.averaged(block) for block in voxel_blocks(voxel, trials)]
    averaged = [block.averaged for block in blocks]
    valid = np.hstack([one.n_valid_repeats for one in averaged])
    if not valid.any():
        raise InputError(
            f"{arguments.nsd}: the session of NSD-synthetic covers no modelled voxel of "
            f"{arguments.subject}. Choose a larger `responses.mask`."
        )
    images = opened.images
    arrays = {
        "voxel": ("voxel", voxel),
        "image": ("image", np.arange(len(images))),
        **{name: ("image", images[name].to_numpy(str)) for name in images},
        "n_repeats": ("image", averaged[0].n_repeats),
        "responses": (("image", "voxel"), np.hstack([one.responses for one in averaged])),
        "n_valid_repeats": (("image", "voxel"), valid),
        "noise_variance": ("voxel", _joined([one.noise_variance for one in averaged])),
        "trial_noise_ceiling": ("voxel", _joined([_ceiling(block) for block in blocks])),
    }
    settings = {"subject": arguments.subject, **responses.metadata}
    provenance = make_provenance(
        "average_synthetic",
        settings,
        {"core responses": arguments.responses, **opened.sources},
        simulated=opened.simulated,
    )
    write_result(arguments.out, arrays, provenance)
    repeats = ", ".join(f"{n} × {times}" for times, n in settings["images_by_repeats"].items())
    print(
        f"{arguments.subject}: {trials} trials, {settings['one_back_trials']} of them one-back; "
        f"images × trials {repeats}; {np.count_nonzero(~valid.any(axis=0))} voxels not covered"
    )


def _ceiling(block: AveragedTrials) -> np.ndarray:
    found = block.averaged
    return trial_noise_ceiling(block.trial_variance, found.noise_variance, found.n_valid_repeats)


def _joined(parts: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(parts).astype(np.float32)


if __name__ == "__main__":
    run_stage(main)
