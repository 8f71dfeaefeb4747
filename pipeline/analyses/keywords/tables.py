"""Words of captions that go most with the responses of each region."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from pipeline.results.storage import Result
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source, subject_of

MORE, LESS = "more", "less"
# descriptions of the columns that only these tables have
COLUMNS = {
    "direction": "whether images whose captions have the word drive the region more or less than "
    "the others",
    "word_rank": "rank of the word among those of its region and direction, by p_word; 1 is the "
    "strongest",
    "word": "word of the captions, in lower case",
    "n_images_with_word": "number of the n_images images of which any caption has the word",
    "n_images": "number of images of the subject with a response of every region",
    "auc": "probability (0 to 1) that the region's mean response is higher to an image with the "
    "word than to one without it; .5 without an association",
    "p_word": "p of auc against .5 by rank sums (Mann-Whitney, two-sided)",
    "q_word": "false discovery rate (Benjamini & Hochberg) of p_word over the n_tests tests of one "
    "subject: all words in all regions",
}
ROW_COLUMNS = (
    *("subject", "atlas", "roi", "n_voxels", "direction", "word_rank", "word"),
    *("n_images_with_word", "n_images", "auc", "p_word", "q_word", "n_tests", "data"),
)


def rows(
    result: Result, rois: pd.DataFrame, settings: Mapping[str, Any]
) -> Iterator[dict[str, object]]:
    """Yield the words with the smallest p of each region and direction."""
    auc, p, q = result["auc"], result["p"], result["q"]
    for region, (atlas, roi) in enumerate(regions_of(result)):
        for direction, sign in ((MORE, 1), (LESS, -1)):
            away = sign * (auc[:, region] - 0.5)
            order = np.lexsort((-away, p[:, region]))
            chosen = [number for number in order if away[number] > 0][: settings["words"]]
            for rank, number in enumerate(chosen, 1):
                yield {
                    "subject": subject_of(result),
                    "atlas": atlas,
                    "roi": roi,
                    "n_voxels": int(result["n_voxels"][region]),
                    "direction": direction,
                    "word_rank": rank,
                    "word": str(result["word"][number]),
                    "n_images_with_word": int(result["n_images"][number]),
                    "n_images": result.configuration["n_images"],
                    "auc": float(auc[number, region]),
                    "p_word": float(p[number, region]),
                    "q_word": float(q[number, region]),
                    "n_tests": p.size,
                    "data": source(result, [])["data"],
                }


TABLES = {"keywords": (rows, ROW_COLUMNS)}
