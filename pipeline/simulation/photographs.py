"""The user's photographs as stimuli."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageOps

from pipeline.errors import InputError
from pipeline.reading import reading
from pipeline.simulation.scenes import SIZE, Stimulus
from pipeline.simulation.settings import Photographs

SENTENCES = (
    "A photograph of {article} {label}.",
    "{label} in a picture.",
    "This picture shows {article} {label}.",
    "A close view of {article} {label}.",
    "There is {article} {label} here.",
    "{article} {label}, seen from nearby.",
)


def read_photographs(
    settings: Photographs, n_images: int, n_captions: int, generator: np.random.Generator
) -> Iterator[Stimulus]:
    """Yield the first `n_images` photographs of the table, cropped to squares of 425 pixels.

    Raises
    ------
    InputError
        The folder, the table, a file or a caption is missing, or there are too few photographs.
    """
    table = _read_table(settings)
    files = list(dict.fromkeys(table["file"]))
    if len(files) < n_images:
        raise InputError(
            f"{settings.captions}: {len(files)} photographs, but the simulated subjects see "
            f"{n_images}. Add photographs, or plan fewer sessions or subjects."
        )
    for file in files[:n_images]:
        rows = table[table["file"] == file]
        captions = (
            list(rows["caption"])
            if "caption" in table
            else _captions(rows["label"].iloc[0], n_captions, generator)
        )
        yield Stimulus(_read_square(settings.folder / file), [], captions)


def _read_table(settings: Photographs) -> pd.DataFrame:
    if not settings.captions.is_file():
        raise InputError(f"{settings.captions}: not found; name a TSV with file and caption.")
    with reading(settings.captions, "not a table of tab-separated columns", "Correct it."):
        table = pd.read_csv(settings.captions, sep="\t", dtype=str)
    text = next((column for column in ("caption", "label") if column in table), None)
    if "file" not in table or text is None:
        raise InputError(
            f"{settings.captions}: has the columns {', '.join(table)}; expected file and caption, "
            "or file and label."
        )
    if table[["file", text]].isna().any(axis=None):
        row = int(table[["file", text]].isna().any(axis=1).idxmax())
        raise InputError(f"{settings.captions}: row {row + 2} has no file or no {text}; fill it.")
    return table


def _captions(label: str, n_captions: int, generator: np.random.Generator) -> list[str]:
    article = "an" if label[0].lower() in "aeiou" else "a"
    chosen = generator.choice(len(SENTENCES), n_captions, replace=n_captions > len(SENTENCES))
    texts = [SENTENCES[number].format(article=article, label=label) for number in chosen]
    return [text[0].upper() + text[1:] for text in texts]


def _read_square(path: Path) -> np.ndarray:
    with reading(path, "not a readable image", "Replace it."), Image.open(path) as photograph:
        return np.asarray(ImageOps.fit(photograph.convert("RGB"), (SIZE, SIZE)))
