"""Predictions of test images: in which order they are made, and which exist at the same time.

They are temporary: a job that reads some runs as soon as they are made, and they are deleted when
no other job will read them. Made in the order of the jobs that read them, few exist at a time.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from pipeline.analyses.registry import enabled
from pipeline.configuration.study import Configuration


class Prediction(NamedTuple):
    """A fit's predictions that are made for one reader: `significance`, or an analysis."""

    reader: str
    variant: str
    model: str


def jobs_that_read(study: Configuration) -> Iterator[list[Prediction]]:
    """Yield the predictions that each job of one subject reads, in the order of these jobs."""
    for variant in study.assessed_variants:
        # a model's own test, then those of the comparisons that it completes
        models: dict[str, None] = {}
        for comparison in study.comparisons_of(variant):
            compared = study.models_of(comparison)
            for model in compared:
                if model not in models:
                    yield [Prediction("significance", variant, model)]
            models |= dict.fromkeys(compared)
            yield [Prediction("significance", variant, model) for model in compared]
        for model in study.fits(variant):
            if model not in models:
                yield [Prediction("significance", variant, model)]
    for reader, analysis in enabled(study).items():
        for fits in filter(None, analysis.predicted_by_job(study)):
            yield [Prediction(reader, *fit) for fit in fits]


def in_order(study: Configuration) -> list[Prediction]:
    """List all predictions of a subject in the order in which they are made, each once."""
    return list(dict.fromkeys(itertools.chain(*jobs_that_read(study))))


def largest_at_once(
    jobs: Sequence[Sequence[Prediction]], n_bytes: Callable[[Prediction], float]
) -> set[Prediction]:
    """Find the predictions that exist when they take most disk, with one job at a time.

    Parameters
    ----------
    jobs : predictions that each job reads; they are made in this order
    n_bytes : size of a prediction
    """
    last = {made: position for position, job in enumerate(jobs) for made in job}
    existing: set[Prediction] = set()
    largest, most = existing, 0.0
    for position, job in enumerate(jobs):
        existing = {made for made in existing if last[made] >= position} | set(job)
        size = sum(map(n_bytes, existing))
        if size > most:
            largest, most = existing, size
    return largest
