"""Words of captions that go most with the responses of regions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.figure import Figure

from pipeline.analyses.keywords.tables import MORE
from pipeline.figures.style import (
    Images,
    StudyFigure,
    displayed_rois,
    rows_of_roi,
    simulated_note,
    tidy,
)
from pipeline.tables.tables import LEVEL

WORDS, COLUMNS = 10, 4
CAPTION = (
    "Words of captions that go with higher responses of a region: probability that the region's "
    "mean response is higher to an image whose captions have the word than to one without it (.5: "
    f"no association). Dark bars: false discovery rate of at most {LEVEL:g} over all words and "
    "regions of the subject. Words of the same scenes go together."
)


def study_figures(
    tables: Mapping[str, pd.DataFrame], images: Images, spaces: Sequence[str]
) -> Iterator[StudyFigure]:
    """Yield a figure of tables/keywords.tsv for each subject."""
    table = tables.get("keywords", pd.DataFrame(columns=["subject"]))
    for subject, own in table.groupby("subject", sort=False):
        name = f"keywords_{subject}"
        yield StudyFigure(name, None, f"Keywords: {subject}", CAPTION, figure(own))


def figure(table: pd.DataFrame) -> Figure:
    """Draw the strongest words of each region as bars.

    Parameters
    ----------
    table : tables/keywords.tsv, rows of one subject
    """
    more = table[(table["direction"] == MORE) & (table["word_rank"] <= WORDS)]
    rois = displayed_rois(more)
    n_rows = -(-len(rois) // COLUMNS)
    drawn, axes = plt.subplots(
        n_rows, COLUMNS, figsize=(11, 2.6 * n_rows), squeeze=False, layout="constrained"
    )
    for axis in axes.ravel()[len(rois) :]:
        axis.set_visible(False)
    for axis, roi in zip(axes.ravel(), rois, strict=False):
        part = rows_of_roi(more, roi).sort_values("word_rank")
        shades = ["#444" if q <= LEVEL else "#bbb" for q in part["q_word"]]
        axis.barh(part["word"], part["auc"] - 0.5, left=0.5, color=shades)
        axis.invert_yaxis()
        axis.set_xlim(0.5, max(0.75, more["auc"].max()))
        tidy(axis, "probability", "")
        axis.tick_params(labelsize=7)
        axis.set_title(f"{roi[1]} (n={part['n_voxels'].iloc[0]} voxels)", loc="left", fontsize=9)
    drawn.suptitle(
        f"{table['subject'].iloc[0]}, {table['n_images'].iloc[0]} images"
        f"{simulated_note(table['data'])}",
        fontsize=9,
    )
    return drawn
