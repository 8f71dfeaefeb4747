"""Remaining time of a run: the estimates of its jobs, scaled by measured times."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from functools import cache

from pipeline.configuration.settings import WHOLE
from pipeline.configuration.study import Configuration
from pipeline.estimates.resources import (
    NETWORK_RATE,
    START,
    averaging,
    component_tests,
    feature_shape,
    fit,
    model_tests,
    refit,
)
from pipeline.estimates.study_size import SubjectSize, part_of, subject_size
from pipeline.jobs.job_list import ListedJob, Run
from pipeline.nsd.manifest import Manifest

# features of a space that is not extracted yet, and operations of a typical network per image
WIDTH, OPERATIONS = 1000, 6e9


def seconds_left(run: Run, estimate: Callable[[ListedJob], float]) -> float | None:
    """Return seconds until a run ends, with as many parallel jobs as so far; None at its start.

    Parameters
    ----------
    estimate : returns the estimated seconds of a job
    """
    measured: dict[str, float] = defaultdict(float)
    estimated: dict[str, float] = defaultdict(float)
    busy = 0.0
    for job in run.jobs:
        seconds = run.seconds(job) if run.is_done(job) else None
        if seconds is not None:
            measured[job.rule] += seconds
            estimated[job.rule] += estimate(job)
            busy += seconds * job.needed
    left = sum(
        estimate(job) * (measured[job.rule] / estimated[job.rule] if measured[job.rule] else 1)
        for job in run.jobs
        if not run.is_done(job)
    )
    if not left:
        return 0.0
    ended = [run.ended(job) for job in run.jobs if job.needed and run.is_done(job)]
    if not busy or max(ended) <= run.begun:
        return None
    return left / max(1.0, busy / (max(ended) - run.begun))


def job_estimates(study: Configuration, manifest: Manifest) -> Callable[[ListedJob], float]:
    """Return a function that estimates the seconds of a job of a study, with all its threads."""
    size = cache(lambda subject: subject_size(study, manifest, subject))
    width = cache(_width)

    def part(job: ListedJob, chunks: int) -> SubjectSize:
        subject = size(job.wildcards["subject"])
        return part_of(study, subject, job.wildcards.get("variant", WHOLE), chunks)

    def estimate(job: ListedJob) -> float:
        chunks = study.scatter.voxel_chunks
        match job.rule:
            case "fit_encoding_models":
                of_spaces = {path: width(path) for path in job.features}
                return fit(study, part(job, chunks), of_spaces).core_seconds / job.threads
            case "predict_test_images" | "keep_predictions":
                of_spaces = {path: width(path) for path in job.features}
                return refit(study, part(job, 1), of_spaces).core_seconds / job.threads
            case "average_responses":
                return averaging(size(job.wildcards["subject"])).core_seconds
            case "assess_significance":
                return model_tests(study, part(job, chunks)).core_seconds / job.threads
            case "assess_components":
                spaces = len(study.comparisons[job.wildcards["comparison"]])
                return component_tests(study, part(job, chunks), spaces).core_seconds / job.threads
            case "extract_features":
                images = size(study.subjects[0]).images / study.extraction.shards
                return START + images * OPERATIONS / NETWORK_RATE / job.threads
            case _:
                return START

    return estimate


def _width(path: str) -> int:
    try:
        return feature_shape(path)[1]
    except OSError:
        return WIDTH


def in_words(seconds: float | None) -> str:
    """Return the remaining time in words."""
    if seconds is None:
        return "time left: not known before jobs have ended"
    if seconds < 90:
        return f"about {max(seconds, 1):.0f} seconds left"
    if seconds < 90 * 60:
        return f"about {seconds / 60:.0f} minutes left"
    end = time.strftime("%a %H:%M", time.localtime(time.time() + seconds))
    return f"about {seconds / 3600:.1f} hours left, until {end}"
