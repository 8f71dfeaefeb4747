"""Compare the responses of regions to images whose captions have a word, and to the others."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, CountVectorizer
from tqdm import tqdm

from encoding.inference.significance import false_discovery_rate
from encoding.label_associations import label_associations
from pipeline.dataset.images import open_images
from pipeline.errors import InputError, run_stage
from pipeline.fits.region_means import region_means, reliable_voxels
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, open_result, read_result, write_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.tables.regions import region_labels

VOXELS_PER_BLOCK = 256
# scikit-learn's, without words that say what captions show, such as "fire hydrant"
STOP_WORDS = ENGLISH_STOP_WORDS - {
    *("back", "bill", "bottom", "cry", "empty", "fill", "fire", "front", "full", "move", "side"),
    *("system", "thick", "thin", "top"),
}


class Arguments(given.StageArguments):
    """Arguments of the stage."""

    nsd: given.NsdFolder
    responses: given.InputFile
    rois: given.InputFile
    encoding: given.InputFile  # any fit of the subject, for its reliability
    configuration: Annotated[dict[str, Any], given.Setting("keywords")]
    out: given.OutputFile


def main() -> None:
    """Compare all words in all regions and write the results."""
    arguments = Arguments.read()
    settings = arguments.configuration
    encoding = read_result(arguments.encoding, ["reliability"])
    regions, inside = reliable_voxels(arguments.rois, encoding, settings)
    blocks = _blocks(arguments, encoding, np.flatnonzero(inside.any(axis=0)))
    means, n_voxels = region_means(blocks, inside, settings["min_voxels"])
    enough = n_voxels >= settings["min_voxels"]
    nsd_id = read_result(arguments.responses, ["image"])["image"]
    # a subject may have none of the regions
    measured = means["measured"][:, enough] if enough.any() else np.zeros((len(nsd_id), 0))
    texts = open_images(arguments.nsd).texts(nsd_id, "captions")
    words, shown = words_of_images(texts, settings["min_images"])
    if not words:
        raise InputError(
            f"keywords.min_images: captions of {len(texts)} images have no word that "
            f"{settings['min_images']} of them share, without stop words; lower it"
        )
    found = label_associations(shown, measured)
    provenance = make_provenance(
        "associate_words",
        {"subject": encoding.configuration["subject"], "n_images": len(texts), **settings},
        {name: getattr(arguments, name) for name in ("responses", "rois", "encoding")},
    )
    arrays = {
        **region_labels(itertools.compress(regions, enough)),
        "n_voxels": ("region", n_voxels[enough]),
        "word": ("word", words),
        "n_images": ("word", shown.sum(axis=0)),
        "auc": (("word", "region"), found.auc.astype(np.float32)),
        "p": (("word", "region"), found.p),
        "q": (("word", "region"), false_discovery_rate(found.p)),
    }
    write_result(arguments.out, arrays, provenance)


def _blocks(
    arguments: Arguments, encoding: Result, voxels: np.ndarray
) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
    """Read the responses of some voxels, by their rows in `encoding`, a block at a time."""
    with open_result(arguments.responses) as file:
        stored = StoredMatrix(file, "responses", file["image"][()], str(arguments.encoding))
        for start in tqdm(range(0, len(voxels), VOXELS_PER_BLOCK), unit="block", mininterval=1):
            part = voxels[start : start + VOXELS_PER_BLOCK]
            yield part, {"measured": stored.of(encoding["voxel"][part])}


def words_of_images(
    texts: Sequence[Sequence[str]], min_images: int
) -> tuple[list[str], np.ndarray]:
    """List the words of captions, and which images have them.

    Parameters
    ----------
    texts : captions of each image
    min_images : number of images that must have a word

    Returns
    -------
    words in alphabetical order, without English stop words and words of all images; and
    (image, word) 0 or 1, whether any caption of the image has the word
    """
    reader = CountVectorizer(binary=True, stop_words=sorted(STOP_WORDS))
    try:
        shown = reader.fit_transform(" ".join(captions) for captions in texts).toarray()
    except ValueError:
        # no word is left
        return [], np.zeros((len(texts), 0), int)
    counts = shown.sum(axis=0)
    kept = (counts >= min_images) & (counts < len(texts))
    return reader.get_feature_names_out()[kept].tolist(), shown[:, kept]


if __name__ == "__main__":
    run_stage(main)
