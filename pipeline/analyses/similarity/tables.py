"""Tables that compare the image similarities of feature spaces and ROIs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from encoding.similarity import (
    AgreementCeiling,
    Measure,
    agreement_ceiling,
    agreement_interval,
    agreement_p,
    as_matrix,
    compare,
    corner_pairs,
    corner_similarity,
    pairs,
)
from pipeline.fits.false_discoveries import with_q
from pipeline.results.storage import Result, positions
from pipeline.tables.columns import LEVEL
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source

# families of tests over which a false discovery rate is controlled
CORNER_FAMILY = "all corners and regions of one subject"
AGREEMENT_FAMILY = (
    "all pairs of the same kind (two spaces, two ROIs, or one of each) of one subject"
)

# descriptions of the columns that only these tables have
COLUMNS = {
    "kind": "which two representations are compared: feature space and feature space, feature "
    "space and ROI, or ROI and ROI",
    "measure": "measure by which the similarities of all image pairs (Pearson correlations of "
    "patterns) are compared: spearman, pearson or cosine",
    "agreement": "agreement (-1 to 1) of first and second: `measure` of their similarities of all "
    "pairs of the n_images images",
    "agreement_lower": f"lower end of the interval ({LEVEL}) of agreement, by a jackknife over the "
    "n_images images",
    "agreement_upper": f"upper end of the interval ({LEVEL}) of agreement, by a jackknife over the "
    "n_images images",
    "lower_ceiling": "lower bound of the noise ceiling of agreement with a ROI (-1 to 1): mean "
    "over subjects of the agreement of their ROI with the mean of the other subjects; n/a for "
    "other kinds",
    "upper_ceiling": "upper bound of the noise ceiling of agreement with a ROI (-1 to 1), which no "
    "model can exceed on average: mean over subjects of the agreement of their ROI with the mean "
    "of all subjects; n/a for other kinds",
    "n_voxels_first": "number of voxels of first, if it is a ROI",
    "n_voxels_second": "number of voxels of second, if it is a ROI",
    "corner": "set of image pairs: both alike, first alike, second alike, or both unlike. Alike: "
    "similarity in the feature space above the upper percentile of all pairs; unlike: below the "
    "lower percentile",
    "n_pairs": "number of image pairs in the corner",
    "similarity": "mean similarity (Pearson r of response patterns, -1 to 1) in the ROI of the "
    "n_pairs image pairs of the corner",
    "baseline_similarity": "mean similarity (Pearson r of response patterns, -1 to 1) in the ROI "
    "of all pairs of the n_images images",
    "similarity_difference": "similarity minus baseline_similarity (-2 to 2)",
    "representational_similarity.first": "feature space or ROI (atlas/roi) that is compared",
    "representational_similarity.second": "feature space or ROI (atlas/roi) with which `first` is "
    "compared",
    "corner_pairs.first": "feature space whose similarities select image pairs",
    "corner_pairs.second": "other feature space whose similarities select image pairs",
    "n_images": "number of test images whose pairs are compared",
    "representational_similarity.p": "p of `agreement` against chance by permutation of the images "
    "of one of the two representations, one-sided",
    "corner_pairs.p": "p of `similarity_difference` against 0 by permutation of the n_images "
    "images, two-sided",
    "representational_similarity.q": "false discovery rate (Benjamini & Hochberg) of p over "
    f"{AGREEMENT_FAMILY}",
    "corner_pairs.q": f"false discovery rate (Benjamini & Hochberg) of p over {CORNER_FAMILY}",
}

KINDS = {"space": "feature space", "roi": "ROI"}


@dataclass(frozen=True)
class SubjectSimilarities:
    """Image similarities of one subject.

    Attributes
    ----------
    similarities : {"space/clip", "roi/floc-faces/FFA-1": (pair,)}
    n_voxels : {ROI: number of voxels}
    n_images : number of images whose pairs are compared
    """

    result: Result
    similarities: dict[str, np.ndarray]
    n_voxels: dict[str, int]
    n_images: int

    @classmethod
    def of(cls, result: Result, nsd_id: np.ndarray | None) -> SubjectSimilarities:
        """Select the pairs of these images, or all of the subject's."""
        rois = [f"roi/{atlas}/{roi}" for atlas, roi in regions_of(result)]
        similarities = {
            **{f"space/{name}": v for name, v in result.by_label("similarity_in_space").items()},
            **dict(zip(rois, result["similarity_in_region"], strict=True)),
        }
        n_voxels = dict(zip(rois, result["n_voxels"].tolist(), strict=True))
        n_images = len(result["image"])
        if nsd_id is None:
            return cls(result, similarities, n_voxels, n_images)
        rows = positions(result["image"], nsd_id, result.path, "the subjects' common images")
        first, second = pairs(len(rows))
        kept = {
            name: as_matrix(values, n_images)[rows[first], rows[second]]
            for name, values in similarities.items()
        }
        return cls(result, kept, n_voxels, len(rows))

    @property
    def subject(self) -> str:
        """The subject's name."""
        return self.result.configuration["subject"]

    def of_kind(self, kind: str) -> list[str]:
        """Return the names of all feature spaces or of all ROIs."""
        return [name for name in self.similarities if name.startswith(f"{kind}/")]


def ceilings(subjects: list[SubjectSimilarities], measure: Measure) -> dict[str, AgreementCeiling]:
    """{ROI: noise ceiling over the subjects that have it}; all must have the same images."""
    rois = dict.fromkeys(roi for one in subjects for roi in one.of_kind("roi"))
    return {
        roi: agreement_ceiling(
            [one.similarities[roi] for one in subjects if roi in one.similarities], measure
        )
        for roi in rois
    }


def agreement_table(
    one: SubjectSimilarities,
    bounds: Mapping[str, AgreementCeiling],
    settings: Mapping[str, Any],
    level: float,
) -> pd.DataFrame:
    """Tabulate every two representations of a subject; q is over all pairs of a kind."""
    frame = pd.DataFrame(_agreement_rows(one, bounds, settings, level))
    return with_q(frame, ("p",), ["kind"])


def _agreement_rows(
    one: SubjectSimilarities,
    bounds: Mapping[str, AgreementCeiling],
    settings: Mapping[str, Any],
    level: float,
) -> Iterator[dict[str, object]]:
    measure = settings["measure"]
    agreement = compare(one.similarities, measure)
    p = agreement_p(one.similarities, measure, settings["permutations"], settings["seed"])
    for (i, first), (j, second) in itertools.combinations(enumerate(one.similarities), 2):
        kinds = [name.partition("/")[0] for name in (first, second)]
        lower, upper = agreement_interval(
            one.similarities[first], one.similarities[second], measure, level
        )
        # only the agreement of a feature space with a ROI has a noise ceiling
        bound = bounds.get(second) if kinds == ["space", "roi"] else None
        yield {
            "subject": one.subject,
            "kind": " and ".join(KINDS[kind] for kind in kinds),
            "first": first.partition("/")[2],
            "second": second.partition("/")[2],
            "measure": measure,
            "agreement": agreement[i, j],
            "agreement_lower": lower,
            "agreement_upper": upper,
            "p": p[i, j],
            "lower_ceiling": np.nan if bound is None else bound.lower,
            "upper_ceiling": np.nan if bound is None else bound.upper,
            "n_images": one.n_images,
            "n_voxels_first": one.n_voxels.get(first, np.nan),
            "n_voxels_second": one.n_voxels.get(second, np.nan),
            **_source(one, [first, second]),
        }


def corner_table(one: SubjectSimilarities, settings: Mapping[str, Any]) -> pd.DataFrame:
    """Tabulate two feature spaces, corners and ROIs of a subject; q is over all rows."""
    rows = []
    for first, second in settings["corners"]:
        in_spaces = [one.similarities[f"space/{space}"] for space in (first, second)]
        selected = corner_pairs(in_spaces[0], in_spaces[1], settings["percentile"])
        for corner, chosen in selected.items():
            for roi in one.of_kind("roi"):
                found = corner_similarity(
                    *(one.similarities[roi], chosen, one.n_images),
                    n_permutations=settings["permutations"],
                    seed=settings["seed"],
                )
                rows.append(
                    {
                        "subject": one.subject,
                        "first": first,
                        "second": second,
                        "corner": corner,
                        **dict(zip(("atlas", "roi"), roi.split("/", 2)[1:], strict=True)),
                        "n_pairs": len(chosen),
                        "similarity": found.mean,
                        "baseline_similarity": found.baseline,
                        "similarity_difference": found.mean - found.baseline,
                        "p": found.p,
                        "n_images": one.n_images,
                        "n_voxels": one.n_voxels[roi],
                        **_source(one, [f"space/{first}", f"space/{second}"]),
                    }
                )
    return with_q(pd.DataFrame(rows), ("p",), ["subject"]) if rows else pd.DataFrame()


def _source(one: SubjectSimilarities, names: list[str]) -> Mapping[str, object]:
    spaces = [name.partition("/")[2] for name in names if name.startswith("space/")]
    # two ROIs involve no network
    return {**source(one.result, spaces), **({} if spaces else {"weights": np.nan})}
