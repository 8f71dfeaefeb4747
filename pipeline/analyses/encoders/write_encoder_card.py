"""Write the model card of a subject's encoders: `README.md` with YAML front matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader

from pipeline.encoders.encoder_file import read_encoder
from pipeline.errors import run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.report.html import banners
from pipeline.results.metadata import write_text

MEASURED = ("r", "r2", "noise_ceiling", "rounding")


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    encoders: given.InputFiles
    out: given.OutputFile


def main() -> None:
    """Run the stage."""
    arguments = Arguments.read()
    write_text(arguments.out, card(arguments.encoders))


def card(paths: list[Path]) -> str:
    """Write the card of the encoders of one subject."""
    read = [read_encoder(path, MEASURED) for path in paths]
    first, arrays = read[0]
    spaces = {space["name"]: space for metadata, _ in read for space in metadata["spaces"]}
    kinds = {space["network"]["stimulus"] for space in first["spaces"]}
    of_any = {space["network"]["stimulus"] for space in spaces.values()}
    named = {"image": "pictures", "captions": "captions"}
    calls = {"image": '["dog.jpg"]', "captions": 'captions=["A dog runs."]'}
    examples = {
        "image": "the picture `example_image`",
        "captions": f"the caption “{first['example_caption']}”",
    }
    listed = [kind for kind in named if kind in kinds]
    environment = Environment(loader=FileSystemLoader(Path(__file__).parent))
    return environment.get_template("card.md.j2").render(
        subject=first["subject"],
        banners=banners(first["provenance"]),
        simulated=first["provenance"]["simulated"],
        n_voxels=len(arrays["r"]),
        responses=first["responses"],
        stimuli=" and ".join(words for kind, words in named.items() if kind in of_any),
        models=[_measured(*one) for one in read],
        example=", ".join(calls[kind] for kind in listed),
        example_stimulus=" and ".join(examples[kind] for kind in examples if kind in of_any),
        spaces=spaces.values(),
        reduced=any(space["reduction"] for space in spaces.values()),
        image_size=next(
            (metadata["image_size"] for metadata, _ in read if metadata["image_size"]), None
        ),
        arrays={name: text for metadata, _ in read for name, text in metadata["arrays"].items()},
        versions=first["provenance"]["versions"],
    )


def _measured(metadata: dict[str, Any], arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return the model's row of the table."""
    return {
        "model": metadata["model"],
        "n_train": metadata["fit"]["n_train"],
        "n_test": metadata["fit"]["n_test"],
        "precision": metadata["provenance"]["configuration"]["precision"],
        "r": f"{np.nanmean(arrays['r']):.3f}",
        "r_largest": f"{np.nanmax(arrays['r']):.3f}",
        "r2": f"{np.nanmean(arrays['r2']):.3f}",
        "ceiling": f"{np.nanmean(arrays['noise_ceiling']):.3f}",
        "rounding": f"{arrays['rounding'].mean():.1e}",
        "rounding_largest": f"{arrays['rounding'].max():.1e}",
    }


if __name__ == "__main__":
    run_stage(main)
