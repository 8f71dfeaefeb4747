"""Into how many jobs the voxels of a fit are best divided.

It follows rates that are measured anew now and then, and widths that only the networks tell. So it
decides only where `scatter: {voxel_chunks: auto}` asks for it: with a better rate there may be
other jobs, which fit everything anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.configuration import Configuration
from pipeline.configuration.fits import MOST_CHUNKS
from pipeline.estimates import fit_job, variant_size
from pipeline.expected_size import expected_study
from pipeline.feature_widths import feature_widths
from pipeline.manifest import Manifest
from pipeline.sizes import StudySize, SubjectSize

# of a fit, as profiles/slurm gives them
THREADS = 8


@dataclass(frozen=True)
class ChunkAdvice:
    """How to divide a subject's longest fit.

    Attributes
    ----------
    chunks : jobs that its voxels are best divided into
    whole_hours, part_hours : of the fit in one job, and of one of those jobs
    """

    fit: str
    chunks: int
    whole_hours: float
    part_hours: float


def advise_chunks(study: Configuration, size: StudySize) -> dict[str, ChunkAdvice]:
    """{subject: advice}: the fewest parts of which none takes longer than `scatter.longest_hours`.

    Every part factorises the features anew: where that is half of its work there are no more parts.
    So no part is much shorter than half of `longest_hours`, and what fits in one job is one.
    """
    return {name: _advise(study, size, subject) for name, subject in size.subjects.items()}


def advised_chunks(study: Configuration, size: StudySize) -> int:
    """One number for all: that of the subject who has most to fit."""
    return max(advice.chunks for advice in advise_chunks(study, size).values())


def choose_chunks(study: Configuration, manifest: Manifest, kept: Path) -> int:
    """Jobs that the voxels of each fit are divided into: as configured, or `auto` as advised.

    Parameters
    ----------
    kept : as of `feature_widths`

    Raises
    ------
    InputError
        As `feature_widths`.
    """
    chunks = study.scatter.voxel_chunks
    if chunks != "auto":
        return chunks
    size = expected_study(study, manifest, feature_widths(study, kept))
    return advised_chunks(study, size)


def _advise(study: Configuration, size: StudySize, subject: SubjectSize) -> ChunkAdvice:
    def hours(fit: tuple[str, str], chunks: float) -> float:
        variant, name = fit
        part = variant_size(subject, study.all_variants[variant])
        part = replace(part, voxels=math.ceil(part.voxels / chunks))
        widths = {space: size.features[space] for space in study.fits(variant)[name]}
        return fit_job(study, part, widths).core_seconds / THREADS / 3600

    fits = [(variant, fit) for variant in study.all_variants for fit in study.fits(variant)]
    longest = max(fits, key=lambda fit: hours(fit, 1))
    repeated = hours(longest, math.inf)
    enough = max(study.scatter.longest_hours, 2 * repeated)
    numbers = range(1, MOST_CHUNKS + 1)
    chunks = next((n for n in numbers if hours(longest, n) <= enough), MOST_CHUNKS)
    return ChunkAdvice(longest[1], chunks, hours(longest, 1), hours(longest, chunks))
