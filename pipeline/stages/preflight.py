"""Check whether a study can start: existing, missing and damaged files, and estimated needs."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from features.networks import check_specification
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.configuration.user_files import responses_to_read, split_tables
from pipeline.dataset.given_features import check_given_features
from pipeline.dataset.images import open_images
from pipeline.errors import InputError, run_stage
from pipeline.estimates.resources import THREADS, Job, estimate_study
from pipeline.estimates.smaller_studies import change_that_fits
from pipeline.estimates.study_size import FeatureSizes, feature_sizes, subject_size
from pipeline.jobs.frozen_run import setting
from pipeline.jobs.job_settings import own_features
from pipeline.jobs.machine import machine_memory
from pipeline.matrices import check as matrices
from pipeline.nsd.check import find_problems
from pipeline.nsd.fetch.own_bucket import files_to_take, take_from
from pipeline.nsd.fetch.plan import bytes_to_come, print_plan
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import (
    ExternalFile,
    Manifest,
    read_manifest,
    required_checkpoints,
    required_files,
)

WIDTH = 120
HOUR, GIGABYTE = 3600, 1e9


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=setting)
    parser.add_argument("--manifest", required=True, type=Path)
    arguments = parser.parse_args()
    study = parse_configuration(arguments.configuration)
    if not check_study(study, read_manifest(arguments.manifest)):
        sys.exit(1)


def check_study(study: Configuration, manifest: Manifest) -> bool:
    """Print what a study lacks and what it will need; return whether it can start."""
    layout, console = NSDLayout(study.nsd), Console(width=WIDTH)
    problems, files = _network_problems(study, manifest), []
    if study.dataset is not None:
        problems += matrices.find_problems(
            *(study.nsd, study.subjects, study.read_atlases),
            *(study.stimuli, study.tests, split_tables(study)),
        )
        if not problems:
            problems += _feature_problems(study)
    elif study.nsd_bucket:
        manifest = take_from(study.nsd_bucket, manifest)
        files = files_to_take(manifest, study)
        print_plan(console, files, manifest, study)
    elif study.simulation is None or layout.is_simulated:
        files, found = _show_files(console, study, layout, manifest)
        problems += found
        if not problems:
            problems += _feature_problems(study)
    else:
        console.print(f"{study.nsd}: is simulated when the study starts")
    try:
        features = feature_sizes(study)
        subjects = [subject_size(study, manifest, subject) for subject in study.subjects]
        stages = estimate_study(study, subjects, features)
        _show_estimates(console, study, stages)
        if features.assumed:
            console.print(f"Taken as BERT base: {', '.join(features.assumed)}.")
        jobs = [job for jobs in stages.values() for job in jobs]
        if too_large := size_problems(study, manifest, files, jobs):
            fits = partial(_fits, manifest=manifest, features=features, has_files=bool(files))
            problems += [*too_large, change_that_fits(study, fits)]
    except InputError as error:
        problems.append(str(error))
    if problems:
        # last, and to where the tables went
        items = "".join(f"\n- {problem}" for problem in problems)
        text = f"error: The study cannot start. Problems: {len(problems)}.{items}"
        console.print(text, highlight=False, markup=False, soft_wrap=True)
        return False
    console.print("[bold]The study can start.")
    return True


def _network_problems(study: Configuration, manifest: Manifest) -> list[str]:
    problems, checkpoints = [], required_checkpoints(manifest, study)
    for name, specification in study.used_networks.items():
        try:
            check_specification(specification)
        except ValueError as error:
            entry = checkpoints.get(name)
            whence = f" `fetch` brings it from {entry.source}." if entry else ""
            problems.append(f"networks.{name}: {error}{whence}")
    return problems


def _feature_problems(study: Configuration) -> list[str]:
    """Check given features against the images of the study, whose files are all there."""
    if not (own := own_features(study)):
        return []
    images = open_images(study.nsd)
    seen = np.unique(np.concatenate([images.seen(subject) for subject in study.subjects]))
    try:
        check_given_features(images, seen, **own)
    except InputError as error:
        return [str(error)]
    return []


def _require_folder(root: Path) -> None:
    """Raise if `nsd:` names a file, or a folder inside NSD; there may be none before a download."""
    if root.is_file():
        raise InputError(f"nsd: {root} is a file; name the folder that has NSD's folder nsddata.")
    if not (root / "nsddata").exists() and (root / "ppdata").exists():
        raise InputError(
            f"nsd: {root} lies inside NSD; name the folder above it, {root.parent}, which has "
            "NSD's folders nsddata, nsddata_betas and nsddata_stimuli."
        )
    if not root.exists():
        print(f"nsd: there is no folder {root} yet. If NSD lies elsewhere, correct `nsd:`.")


def _show_files(
    console: Console, study: Configuration, layout: NSDLayout, manifest: Manifest
) -> tuple[list[ExternalFile], list[str]]:
    """Print numbers of existing, missing and damaged files by role; return files and problems."""
    _require_folder(layout.root)
    responses = {subject: responses_to_read(study, subject) for subject in study.subjects}
    designs, found = find_problems(
        *(layout, responses, study.read_atlases, study.annotations, study.map_spaces),
        *(split_tables(study), study.experiments),
    )
    sessions = {subject: design.n_sessions for subject, design in designs.items()}
    files = required_files(manifest, study, sessions)
    missing = {file.path for file in files if not file.is_there(layout.root)}
    # a missing file is reported once, with its source
    reported = [text for text in found if not any(_names(text, layout, path) for path in missing)]
    damaged = {f.path for f in files if any(_names(text, layout, f.path) for text in reported)}
    table = Table(title=f"Files of study {study.study} below {layout.root}")
    table.add_column("role")
    table.add_column("source")
    for column in ("files", "there", "missing", "damaged"):
        table.add_column(column, justify="right")
    problems = []
    for role, source in dict.fromkeys((file.role, file.source) for file in files):
        own = [file.path for file in files if file.role == role]
        lacking, spoilt = [path for path in own if path in missing], damaged.intersection(own)
        there = len(own) - len(lacking) - len(spoilt)
        table.add_row(role, source, *map(str, (len(own), there, len(lacking), len(spoilt))))
        if lacking:
            problems.append(
                f"{role}: {len(lacking)} of {len(own)} missing, first {layout.root / lacking[0]}. "
                f"`fetch` brings them from {manifest.sources[source].address}."
            )
    console.print(table)
    return files, problems + reported


def _names(problem: str, layout: NSDLayout, path: str) -> bool:
    return f"{layout.root / path}:" in problem


def _show_estimates(
    console: Console, study: Configuration, stages: Mapping[str, Sequence[Job]]
) -> None:
    table = Table(title=f"What study {study.study} will need, about")
    table.add_column("stage")
    time, disk = ("CPU core hours", "GPU hours (if any)"), ("disk GB", "temporary GB")
    for column in ("jobs", *time, "memory GB", *disk):
        table.add_column(column, justify="right")
    for stage, jobs in stages.items():
        table.add_row(stage, *_summed(jobs))
    table.add_section()
    table.add_row("all", *_summed([job for jobs in stages.values() for job in jobs]))
    console.print(table)
    console.print(
        "CPU rates were measured on two cores of a server, the GPU's is assumed. "
        "Memory is that of the largest job. What exists already is not subtracted. Temporary files "
        "are deleted when they have been read: they are counted with one job at a time, and each "
        "job beside it may add the predictions of a model."
    )
    longest = max(job.core_seconds for job in stages["encoding"]) / HOUR / THREADS
    console.print(
        f"The longest job of a fit takes about {longest:.1f} hours on {THREADS} cores, with "
        f"`scatter: {{voxel_chunks: {study.scatter.voxel_chunks}}}`; more chunks are shorter jobs.",
        soft_wrap=True,
    )


def _summed(jobs: Sequence[Job]) -> list[str]:
    """Return the cells of a row on some jobs."""
    gpu = sum(job.gpu_seconds for job in jobs) / HOUR
    temporary = sum(job.temporary_bytes for job in jobs) / GIGABYTE
    return [
        str(len(jobs)),
        f"{sum(job.core_seconds for job in jobs) / HOUR:.2f}",
        f"{gpu:.2f}" if gpu else "",
        f"{max(job.memory_bytes for job in jobs) / GIGABYTE:.2f}",
        f"{sum(job.disk_bytes for job in jobs) / GIGABYTE:.2f}",
        f"{temporary:.2f}" if temporary else "",
    ]


def size_problems(
    study: Configuration, manifest: Manifest, files: Sequence[ExternalFile], jobs: Sequence[Job]
) -> list[str]:
    """Return a problem for memory, and for each disk, that is too small for a study."""
    return [*memory_problems(jobs), *disk_problems(_disk_needs(study, manifest, files, jobs))]


def _fits(
    study: Configuration, manifest: Manifest, features: FeatureSizes, has_files: bool
) -> bool:
    """Test whether memory and disks are large enough for a changed study."""
    subjects = [subject_size(study, manifest, subject) for subject in study.subjects]
    stages = estimate_study(study, subjects, features)
    files = required_files(manifest, study) if has_files else []
    return not size_problems(study, manifest, files, [job for s in stages.values() for job in s])


def memory_problems(jobs: Sequence[Job]) -> list[str]:
    """Return a problem if a job needs more memory than this machine has."""
    memory = max(job.memory_bytes for job in jobs)
    installed = machine_memory()
    if memory <= installed:
        return []
    return [
        f"memory: a job needs about {memory / GIGABYTE:.1f} GB, this machine has "
        f"{installed / GIGABYTE:.1f}; run it on a larger one (see profiles/)"
    ]


def _disk_needs(
    study: Configuration,
    manifest: Manifest,
    files: Sequence[ExternalFile],
    jobs: Sequence[Job],
) -> list[tuple[str, Path, float]]:
    """Return (description, folder, bytes) of everything that needs disk."""
    checkpoints = required_checkpoints(manifest, study).values()
    missing = sum(e.bytes for e in checkpoints if e.path and not Path(e.path).exists())
    return [
        ("results", Path(), sum(job.disk_bytes + job.temporary_bytes for job in jobs)),
        ("files to fetch", study.nsd, bytes_to_come(files, study.nsd, manifest)),
        ("checkpoints to fetch", manifest.weights_folder, missing),
    ]


def disk_problems(needs: Sequence[tuple[str, Path, float]]) -> list[str]:
    """Return a problem for each disk that is too small."""
    disks: dict[int, list[tuple[str, Path, float]]] = {}
    for what, folder, n_bytes in needs:
        folder = folder.resolve()
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        if n_bytes:
            disks.setdefault(existing.stat().st_dev, []).append((what, existing, n_bytes))
    problems = []
    for parts in disks.values():
        needed = sum(n_bytes for _, _, n_bytes in parts)
        free = shutil.disk_usage(parts[0][1]).free
        if needed > free:
            parts_text = ", ".join(
                f"{n_bytes / GIGABYTE:.1f} of {what}" for what, _, n_bytes in parts
            )
            problems.append(
                f"disk: about {needed / GIGABYTE:.1f} GB are needed ({parts_text}), "
                f"{free / GIGABYTE:.1f} are free on the disk of {parts[0][1]}; free space there, "
                "or name another disk as `nsd:` or run elsewhere"
            )
    return problems


if __name__ == "__main__":
    run_stage(main)
