"""Similarities of images, as feature spaces and ROIs have them, compared in tables."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from encoding.similarity import (
    AgreementCeiling,
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
from pipeline.tables.regions import regions_of
from pipeline.tables.tables import source

# families of tests: those among which a false discovery rate is controlled
CORNER_FAMILY = "all corners and regions of one subject"
AGREEMENT_FAMILY = (
    "all pairs of the same kind (two spaces, two ROIs, or one of each) of one subject"
)

# what columns mean that other tables do not have
COLUMNS = {
    "kind": "what is compared",
    "measure": "of all pairs' similarities, which are Pearson correlations of patterns",
    "agreement": "of the two representations' similarities of all pairs of images",
    "agreement_lower": "lower end of its interval (jackknife over images)",
    "agreement_upper": "upper end of it",
    "lower_ceiling": "mean over subjects of the agreement of their ROI with the others' mean",
    "upper_ceiling": "with the mean of all subjects, oneself included: no model can exceed it",
    "n_voxels_first": "voxels of the first, if it is a ROI",
    "n_voxels_second": "voxels of the second, if it is a ROI",
    "corner": "pairs of images that both, one, or none of the two feature spaces finds alike: "
    "above the upper percentile of one's similarities, below the lower of the other's",
    "n_pairs": "pairs of images in the corner",
    "similarity": "mean similarity of these pairs in the ROI",
    "baseline_similarity": "of all pairs",
    "similarity_difference": "of the two",
    "first": "first feature space or ROI",
    "second": "second feature space or ROI",
    "n_images": "test images whose pairs the row is of",
    "p": "probability of such a value by chance: of corner pairs by permutation of the images, "
    "two-sided; of agreements by permutation of the images of one of the two, one-sided",
    "q": f"false discovery rate (Benjamini & Hochberg) of p: of corner pairs over {CORNER_FAMILY}; "
    f"of agreements over {AGREEMENT_FAMILY}",
}

KINDS = {"space": "feature space", "roi": "ROI"}


@dataclass(frozen=True)
class SubjectSimilarities:
    """Similarities of one subject.

    Attributes
    ----------
    similarities : {"space/clip", "roi/floc-faces/FFA-1": (pair,)}
    n_voxels : of each ROI among them
    n_images : of the pairs
    """

    result: Result
    similarities: dict[str, np.ndarray]
    n_voxels: dict[str, int]
    n_images: int

    @classmethod
    def of(cls, result: Result, nsd_id: np.ndarray | None) -> SubjectSimilarities:
        """Similarities of these images, or of all the subject's."""
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
        return self.result.configuration["subject"]

    def of_kind(self, kind: str) -> list[str]:
        return [name for name in self.similarities if name.startswith(f"{kind}/")]


def ceilings(subjects: list[SubjectSimilarities], measure: Any) -> dict[str, AgreementCeiling]:
    """Ceiling of each ROI over the subjects that have it; they must have the same images."""
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
    """One row per two representations of a subject; q over all of a kind."""
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
        # what a feature space could reach at best; of other pairs there is no such bound
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
    """One row per two feature spaces, corner and ROI of a subject; q over all of a subject."""
    rows = []
    for first, second in settings["corners"]:
        of_spaces = [one.similarities[f"space/{space}"] for space in (first, second)]
        for corner, chosen in corner_pairs(*of_spaces, settings["percentile"]).items():
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
                        "roi": roi.partition("/")[2],
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
    told = source(one.result, spaces)
    # of two ROIs no network has a part in it
    return told if spaces else {**told, "weights": np.nan}
