"""What a job asks a scheduler for: its estimated time and memory, with room to spare.

Sizes are those of the configuration and of the input files. They are resources, never parameters:
other numbers give the same results and rerun nothing.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import h5py

from pipeline.configuration import Configuration
from pipeline.estimates import (
    FLOAT,
    JobEstimate,
    extraction_job,
    fit_job,
    map_job,
    page_job,
    partition_job,
    response_job,
    significance_job,
    solver_memory,
    variant_size,
)
from pipeline.expected_size import captions_per_image, expected_subject
from pipeline.manifest import Manifest
from pipeline.settings import SHARED
from pipeline.sizes import SubjectSize

# Estimates of time are meant to be right within a factor of two on the machine where rates were
# measured; nodes are slower than that one, and eight threads are not eight times as fast as one.
TIME_FACTOR, MEMORY_FACTOR = 3, 1.25
# no scheduler starts a shorter job sooner; Python and its libraries, read from a slow disk
LEAST_MINUTES, LEAST_MB = 30, 3000
# of the catalogue's largest network (ViT-B/16, both towers): only torch could tell which it is
MOST_OPERATIONS, MOST_PARAMETER_BYTES = 35e9, 0.7e9

Wildcards = Mapping[str, str]


@dataclass(frozen=True)
class JobResources:
    """Resources of the jobs of a study, by rule.

    `wildcards` and `input` are those of a job as Snakemake has them.
    """

    study: Configuration
    manifest: Manifest

    def minutes(self, rule: str, wildcards: Wildcards, input: Any, threads: int) -> int:
        """Time limit of the first attempt.

        Raises
        ------
        FileNotFoundError
            An input file that tells a size is not made yet.
        """
        seconds = self._estimate(rule, wildcards, input).core_seconds / threads
        return max(LEAST_MINUTES, math.ceil(TIME_FACTOR * seconds / 60))

    def megabytes(self, rule: str, wildcards: Wildcards, input: Any) -> int:
        """As `minutes`, of memory."""
        n_bytes = self._estimate(rule, wildcards, input).memory_bytes
        return max(LEAST_MB, math.ceil(MEMORY_FACTOR * n_bytes / 1e6))

    def solver_megabytes(self, input: Any, shared: float) -> int:
        """Memory for the solver of a job: as configured, if the job then keeps within `shared`.

        Parameters
        ----------
        shared : megabytes of all jobs together; infinite on a cluster

        Raises
        ------
        FileNotFoundError
            As `minutes`.
        """
        budget = 1000 * self.study.encoding.memory_gb
        beside = solver_memory(self.study, _largest(input)) / 1e6 - budget
        return int(min(budget, max(0, shared / MEMORY_FACTOR - beside)))

    def _estimate(self, rule: str, wildcards: Wildcards, input: Any) -> JobEstimate:
        return getattr(self, f"_{rule}")(wildcards, input)

    def _average_responses(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        return response_job(self._subject(wildcards))

    def _extract_features(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        captioned = self.study.networks[wildcards["network"]].stimulus == "captions"
        part, subjects = wildcards["part"], self.study.subjects
        subject = self._subject({"subject": subjects[0] if part == SHARED else part})
        images = subject.test_images if part == SHARED else subject.images
        stimuli = images * (captions_per_image(self.study) if captioned else 1)
        shard = stimuli / self.study.extraction.shards
        return extraction_job(shard, MOST_OPERATIONS, MOST_PARAMETER_BYTES)

    def _fit_encoding_models(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        spaces = zip(self._spaces(wildcards), input.features, strict=True)
        widths = {space: _shape(path)[1] for space, path in spaces}
        return fit_job(self.study, self._part(wildcards), widths)

    def _fit_weights(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        return self._solving(input)

    def _project_voxels(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        return self._solving(input)

    def _solving(self, input: Any) -> JobEstimate:
        """Estimate for a rule whose time nothing estimates: memory alone."""
        return JobEstimate(math.nan, solver_memory(self.study, _largest(input)))

    def _assess_significance(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        return significance_job(self.study, self._part(wildcards), len(self._spaces(wildcards)))

    def _partition_variance(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        n_spaces = len(self._spaces(wildcards))
        return partition_job(self.study, self._subject(wildcards), n_spaces)

    def _write_maps(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        return map_job(self.study, self._subject(wildcards), wildcards["variant"])

    def _write_subject_page(self, wildcards: Wildcards, input: Any) -> JobEstimate:
        return page_job(self.study)

    def _spaces(self, wildcards: Wildcards) -> list[str]:
        return self.study.fits(wildcards["variant"])[wildcards["fit"]]

    def _subject(self, wildcards: Wildcards) -> SubjectSize:
        return expected_subject(self.study, self.manifest, wildcards["subject"])

    def _part(self, wildcards: Wildcards) -> SubjectSize:
        """The images of a variant, and the voxels of one chunk."""
        variant = self.study.all_variants[wildcards["variant"]]
        subject = variant_size(self._subject(wildcards), variant)
        return replace(subject, voxels=math.ceil(subject.voxels / self.study.scatter.voxel_chunks))


def _largest(input: Any) -> int:
    """Bytes of the largest feature space that a job reads."""
    return max(FLOAT * math.prod(_shape(path)) for path in input.features)


def _shape(path: str) -> tuple[int, int]:
    """(images, features) of a feature space."""
    # its error names the file, by which Snakemake knows that it is still to be made
    os.stat(path)
    with h5py.File(path, "r") as file:
        return file["features"].shape
