"""Partition the variance that a comparison's feature spaces explain, alone and together."""

from __future__ import annotations

from typing import Annotated

import numpy as np

from encoding.product_measure import OFFSET
from encoding.variance_partitioning import (
    joint_gain,
    model_name,
    partition_variance,
    shortfall,
    subsets,
)
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import aligned_result, read_result, write_result

OF_JOINT_MODEL = ("noise_ceiling", "product_measure")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    comparison: given.Wildcard
    spaces: Annotated[list[str], given.Setting("comparisons.{comparison}")]
    encoding: given.InputFiles  # of all subsets' models, in the order of `subsets`
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    models = [model_name(subset) for subset in subsets(arguments.spaces)]
    files = dict(zip(models, arguments.encoding, strict=True))
    joint = models[-1]
    encoding = read_result(files[joint])
    r2 = {model: aligned_result(path, encoding)["r2"] for model, path in files.items()}
    components = partition_variance(r2, arguments.spaces)
    gain = joint_gain(r2, arguments.spaces)
    variance = np.stack([*components.values()]).astype(np.float32)
    kept = [*OF_JOINT_MODEL, *({"stacked_r2"} & {*encoding.data})]
    data = (
        encoding.data[kept]
        .sel(part=[*arguments.spaces, OFFSET])
        .assign(
            r2=(("model", "voxel"), np.stack([*r2.values()])),
            model=models,
            variance=(("component", "voxel"), variance),
            component=[*components],
            joint_gain=("voxel", gain.astype(np.float32)),
        )
    )
    fitted = encoding.configuration
    configuration = {
        "comparison": arguments.comparison,
        "spaces": arguments.spaces,
        "subject": fitted["subject"],
        "variant": fitted["variant"],
    }
    inputs = {f"encoding/{model}": path for model, path in files.items()}
    _report(joint, gain)
    write_result(arguments.out, data, make_provenance("partition_variance", configuration, inputs))


def _report(joint: str, gain: np.ndarray) -> None:
    """Print how often the joint model scores below its parts, where variance is unreliable."""
    share, below = shortfall(gain)
    text = f"{joint}: in {share:.0%} of voxels the joint model scores below the best of its parts"
    print(text if np.isnan(below) else f"{text}, there by {below:.4f} R² on average")


if __name__ == "__main__":
    run_stage(main)
