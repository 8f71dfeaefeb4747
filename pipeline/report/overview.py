"""Sentences of the overview: the result with its interval, the best model, how sure they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from pipeline.analyses.registry import enabled
from pipeline.configuration.study import Configuration
from pipeline.figures.rois import EVERYTHING

INTERVAL_LEVEL = 0.95
# table of the optional analysis of intervals over test images
REGION_INTERVALS = "roi_intervals"


def result_sentence(study: Configuration, frames: Mapping[str, pd.DataFrame]) -> str:
    """State the result of the study's first comparison, or its best model, with an interval."""
    comparison = next((name for name, spaces in study.comparisons.items() if len(spaces) > 1), None)
    if comparison is None:
        return models_sentence(study, frames)
    first, second = study.comparisons[comparison][:2]
    partitions = frames["partitions"].query("comparison == @comparison and roi == @EVERYTHING")
    means = partitions.groupby("component")["mean_variance"].mean()
    if means[second] > means[first]:
        first, second = second, first
    n = partitions["subject"].nunique()
    over = f"the mean of {n} subjects" if n > 1 else f"subject {partitions['subject'].iloc[0]}"
    interval = difference_interval(study, frames, comparison, (first, second))
    return (
        f"Over all modelled voxels, {_percent(means[first])} of the variance of the responses can "
        f"be predicted from {first} and not from {second}, and {_percent(means[second])} the other "
        f"way round (test R², {over}). {interval}"
    )


def difference_interval(
    study: Configuration,
    frames: Mapping[str, pd.DataFrame],
    comparison: str,
    spaces: tuple[str, str],
) -> str:
    """State the difference of two spaces' unique variance, larger minus smaller, with an interval.

    The interval is over subjects if there are several, else over test images if the study computes
    it.
    """
    names = {"{} minus {}".format(*spaces): 1.0, "{1} minus {0}".format(*spaces): -1.0}
    found = _over_subjects(frames, comparison, names) if len(study.subjects) > 1 else None
    difference, over = "The difference", f"over {len(study.subjects)} subjects"
    if found is None and (row := _region_over_images(frames, names)) is not None:
        bounds = row["region_mean"], row["region_lower"], row["region_upper"]
        found, over = _signed(names[row["score"]], *bounds), "over test images"
        if row["roi"] != EVERYTHING:
            difference = (
                f"Among the regions with intervals, the difference is largest in {row['roi']}, "
                "where it"
            )
    if found is None:
        return (
            "With one subject there is no interval over subjects; the optional analysis "
            "roi_intervals adds one over test images."
        )
    mean, low, high = found
    judged = (
        "an interval that includes 0, so that this study cannot tell which explains more"
        if low <= 0 <= high
        else "an interval without 0"
    )
    return (
        f"{difference} is {_points(mean)} percentage points (95 % interval {over} "
        f"{_points(low)} to {_points(high)}): {judged}."
    )


def _over_subjects(
    frames: Mapping[str, pd.DataFrame], comparison: str, names: Mapping[str, float]
) -> tuple[float, float, float] | None:
    group = frames["group"]
    rows = group[
        (group["comparison"] == comparison)
        & (group["roi"] == EVERYTHING)
        & group["component"].isin(names)
    ]
    if rows.empty:
        return None
    row = rows.iloc[0]
    half = stats.t.ppf((1 + INTERVAL_LEVEL) / 2, row["n_subjects"] - 1) * row["standard_error"]
    return _signed(names[row["component"]], row["mean"], row["mean"] - half, row["mean"] + half)


def _region_over_images(
    frames: Mapping[str, pd.DataFrame], names: Mapping[str, float]
) -> pd.Series | None:
    """Return the row of the difference over all voxels, or of the region with the largest one."""
    if REGION_INTERVALS not in frames:
        return None
    table = frames[REGION_INTERVALS]
    rows = table[table["score"].isin(names) & table["region_mean"].notna()]
    everywhere = rows[rows["roi"] == EVERYTHING]
    rows = rows if everywhere.empty else everywhere
    return None if rows.empty else rows.loc[rows["region_mean"].abs().idxmax()]


def _signed(sign: float, mean: float, low: float, high: float) -> tuple[float, float, float]:
    return (mean, low, high) if sign > 0 else (-mean, -high, -low)


def models_sentence(study: Configuration, frames: Mapping[str, pd.DataFrame]) -> str:
    """State the best and the worst single model, against the ceiling."""
    rows = frames["correlations"].query("roi == @EVERYTHING and model in @study.models")
    scores = rows.groupby("model")[["mean_r", "mean_normalised_r"]].mean()
    scores = scores.sort_values("mean_normalised_r", ascending=False)
    best, worst = scores.iloc[0], scores.iloc[-1]
    sentence = (
        f"{best.name} predicts best on average{_of_regions(study, frames, best.name)}: its "
        f"predictions correlate with the responses to new images by {best['mean_r']:.2f} on "
        "average over all modelled voxels; where responses are reliable it reaches "
        f"{_percent(best['mean_normalised_r'], 0)} of the highest correlation that noise permits"
    )
    if len(scores) == 1:
        return f"{sentence}."
    return (
        f"{sentence}; the last of the {len(scores)} feature spaces, {worst.name}, reaches "
        f"{_percent(worst['mean_normalised_r'], 0)}."
    )


def _of_regions(study: Configuration, frames: Mapping[str, pd.DataFrame], model: str) -> str:
    """State in how many regions a model is the best, if there are regions and other models."""
    rows = frames["correlations"].query("roi != @EVERYTHING and model in @study.models")
    means = rows.groupby(["atlas", "roi", "model"])["mean_r"].mean().unstack().dropna(how="all")
    if means.empty or len(study.models) == 1:
        return ""
    n_best = int((means.idxmax(axis=1) == model).sum())
    return f", and in {n_best} of {len(means)} regions"


def data_sentence(study: Configuration, frames: Mapping[str, pd.DataFrame]) -> str:
    """State what was analysed."""
    rows = frames["correlations"].query("roi == @EVERYTHING")
    counts = rows.groupby("subject")["n_voxels"].max()
    measured = "simulated" if "simulated" in set(rows["data"]) else "measured"
    return (
        f"{len(counts)} subject{'s' if len(counts) > 1 else ''}, {counts.sum():,} voxels with "
        f"{measured} responses, {len(study.models)} feature spaces."
    )


def controls(study: Configuration) -> list[dict[str, str]]:
    """List the further analyses of a study, each with the page that displays it."""
    return [
        {"title": title, "page": analysis.page}
        for analysis in enabled(study).values()
        for title in [*analysis.tables.values()][:1]
    ]


def recovery_sentence(recovery: pd.DataFrame) -> str:
    """State how close recovered variance is to what could be found in simulated data."""
    oracle = recovery["oracle"]
    best = oracle.where(oracle.notna(), recovery["perfect"])
    target = (
        "the best that ridge regression can do with as many images"
        if oracle.notna().any()
        else "what a perfect fit would find"
    )
    apart = float(np.abs(recovery["recovered"] - best).mean())
    r = float(np.corrcoef(recovery["recovered"], best)[0, 1]) if len(recovery) > 2 else np.nan
    agreed = "" if np.isnan(r) else f" and the two correlate by {r:.2f}"
    return (
        "The data are simulated, so the right answer is known: over "
        f"{len(recovery)} combinations of a group of voxels and a part of the variance, what this "
        f"analysis found differs from {target} by {apart:.3f} (R², mean absolute "
        f"difference){agreed}."
    )


def audit_sentence(audit: Mapping[str, Any]) -> str:
    """State what was audited before anything was reported."""
    n = sum(audit["audited_fits"].values())
    return (
        f"Before anything was reported, all {n} fitted models were audited: no test image was "
        "among the images that a model was fitted on, and all results come from one run."
    )


def methods_sentence(study: Configuration) -> str:
    """Summarise the methods for readers of the overview."""
    kind = "one penalty for each feature space" if study.encoding.penalty == "banded" else "ridge"
    return (
        "For every voxel, a linear model predicts its responses from the features that a network "
        f"computes from each image (regularised regression, {kind}). Models are compared on images "
        "that were used neither to fit nor to choose them; what is unique to a feature space is "
        "what predictions lose when it is left out."
    )


def sure_sentences(frames: Mapping[str, pd.DataFrame], audit: Mapping[str, Any]) -> Iterator[str]:
    """Yield how far the results can be trusted."""
    if len(frames.get("recovery", ())):
        yield recovery_sentence(frames["recovery"])
    if "calibration" not in frames:
        yield (
            "Whether 95 % intervals contain the true value as often as they claim, and tests find "
            "no more than chance where there is nothing, has not been checked with these settings; "
            "`snakemake validate` does so."
        )
    yield audit_sentence(audit)


def _points(share: float) -> str:
    return f"{100 * share:.1f}".replace("-", "−")


def _percent(share: float, digits: int = 1) -> str:
    return f"{100 * share:.{digits}f} %".replace("-", "−")
