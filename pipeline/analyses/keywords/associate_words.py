"""Compare the responses of regions to images whose captions have a word, and to the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from tqdm import tqdm

from encoding.inference.significance import false_discovery_rate
from encoding.label_associations import label_associations
from pipeline.dataset.images import open_images
from pipeline.errors import InputError, run_stage
from pipeline.jobs import stage_arguments as given
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import Result, open_result, read_result, write_result
from pipeline.results.stored_matrix import StoredMatrix
from pipeline.results.tables import read_table
from pipeline.tables.regions import region_labels
from pipeline.tables.tables import roi_members

VOXELS_PER_BLOCK = 256
Region = tuple[str, str]


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
    nsd_id = read_result(arguments.responses, ["image"])["image"]
    means, n_voxels = _region_means(arguments, nsd_id, encoding)
    known = np.isfinite(means).all(axis=1)
    nsd_id, means = nsd_id[known], means[known]
    texts = open_images(arguments.nsd).texts(nsd_id, "captions")
    words, shown = words_of_images(texts, settings["min_images"])
    if not words:
        raise InputError(
            f"keywords.min_images: captions of {len(texts)} images have no word that "
            f"{settings['min_images']} of them share, without stop words; lower it"
        )
    found = label_associations(shown, means)
    provenance = make_provenance(
        "associate_words",
        {"subject": encoding.configuration["subject"], "n_images": len(texts), **settings},
        {name: getattr(arguments, name) for name in ("responses", "rois", "encoding")},
    )
    arrays = {
        **region_labels(n_voxels),
        "n_voxels": ("region", [*n_voxels.values()]),
        "word": ("word", words),
        "n_images": ("word", shown.sum(axis=0)),
        "auc": (("word", "region"), found.auc.astype(np.float32)),
        "p": (("word", "region"), found.p),
        "q": (("word", "region"), false_discovery_rate(found.p)),
    }
    write_result(arguments.out, arrays, provenance)


def _region_means(
    arguments: Arguments, nsd_id: np.ndarray, encoding: Result
) -> tuple[np.ndarray, dict[Region, int]]:
    """Average responses (image, region) over reliable voxels, and count these voxels.

    A voxel without a response to some image is left out.
    """
    settings = arguments.configuration
    reliable = encoding["reliability"] >= settings["min_reliability"]
    rois = read_table(arguments.rois)
    members = roi_members(rois[rois["atlas"].isin(settings["atlases"])], encoding["voxel"])
    del members["all", "all"]
    inside = np.array([*members.values()], dtype=bool).reshape(len(members), -1) & reliable
    sums, counts = np.zeros((len(nsd_id), len(inside))), np.zeros(len(inside), int)
    rows = np.flatnonzero(inside.any(axis=0))
    with open_result(arguments.responses) as file:
        stored = StoredMatrix(file, "responses", nsd_id, str(arguments.encoding))
        for start in tqdm(range(0, len(rows), VOXELS_PER_BLOCK), unit="block", mininterval=1):
            part = rows[start : start + VOXELS_PER_BLOCK]
            measured = stored.of(encoding["voxel"][part]).astype(np.float64)
            usable = np.isfinite(measured).all(axis=0)
            here = inside[:, part[usable]]
            sums += measured[:, usable] @ here.T
            counts += here.sum(axis=1)
    kept = counts >= settings["min_voxels"]
    if not kept.any():
        raise InputError(
            f"keywords: no region of {', '.join(settings['atlases'])} in {arguments.rois} has "
            f"{settings['min_voxels']} voxels with a reliability of {settings['min_reliability']}; "
            "lower them, or choose other `atlases`"
        )
    numbers = {region: int(n) for region, n in zip(members, counts, strict=True)}
    return sums[:, kept] / counts[kept], {
        region: n for region, n in numbers.items() if n >= settings["min_voxels"]
    }


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
    reader = CountVectorizer(binary=True, stop_words="english")
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
