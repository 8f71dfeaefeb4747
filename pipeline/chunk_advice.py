"""Into how many jobs the voxels of a fit are best divided.

It is advice, and not what the workflow does by itself: it follows rates that are measured anew now
and then, and widths that only the networks tell. Were they to decide which jobs there are, a better
rate would have everything fitted anew.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from pipeline.configuration import Configuration
from pipeline.estimates import fit_job, variant_size
from pipeline.sizes import StudySize, SubjectSize

# what a job that is killed loses, and what the short partitions of many clusters take
LONGEST_HOURS = 2.0
# of a fit, as profiles/slurm gives them
THREADS = 8
MOST_CHUNKS = 1000


@dataclass(frozen=True)
class ChunkAdvice:
    """Of a subject's longest fit.

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
    """{subject: advice}: the fewest parts of which none takes longer than `LONGEST_HOURS`.

    Every part factorises the features anew: where that is half of its work there are no more parts.
    So no part is much shorter than half of `LONGEST_HOURS`, and what fits in one job is one.
    """
    return {name: _advise(study, size, subject) for name, subject in size.subjects.items()}


def _advise(study: Configuration, size: StudySize, subject: SubjectSize) -> ChunkAdvice:
    def hours(fit: tuple[str, str], chunks: float) -> float:
        variant, name = fit
        part = variant_size(subject, study.all_variants[variant])
        part = replace(part, voxels=math.ceil(part.voxels / chunks))
        widths = {space: size.features[space] for space in study.fits(variant)[name]}
        return fit_job(study, part, widths, size.images).core_seconds / THREADS / 3600

    fits = [(variant, fit) for variant in study.all_variants for fit in study.fits(variant)]
    longest = max(fits, key=lambda fit: hours(fit, 1))
    repeated = hours(longest, math.inf)
    enough = max(LONGEST_HOURS, 2 * repeated)
    numbers = range(1, MOST_CHUNKS + 1)
    chunks = next((n for n in numbers if hours(longest, n) <= enough), MOST_CHUNKS)
    return ChunkAdvice(longest[1], chunks, hours(longest, 1), hours(longest, chunks))
