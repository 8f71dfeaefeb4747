"""Say whether a study can start: what is there, missing or damaged, and what it will need."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from features.networks import check_specification
from pipeline.configuration import Configuration, parse_configuration
from pipeline.errors import InputError, run_stage
from pipeline.estimates import StageEstimate, estimate_study
from pipeline.manifest import Manifest, checkpoint_source, read_manifest, required_files
from pipeline.nsd.check import find_problems
from pipeline.nsd.layout import NSDLayout
from pipeline.study_size import measure_study

WIDTH = 120
HOUR, GIGABYTE = 3600, 1e9


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--manifest", required=True, type=Path)
    arguments = parser.parse_args()
    study = parse_configuration(arguments.configuration)
    manifest, layout = read_manifest(arguments.manifest), NSDLayout(study.nsd)
    console = Console(width=WIDTH)
    problems = _network_problems(study, manifest)
    if study.simulation is None or layout.is_simulated:
        problems += _show_files(console, study, layout, manifest)
    else:
        console.print(f"{study.nsd}: is simulated when the study starts")
    try:
        size, assumed = measure_study(study, layout, manifest)
        estimates = estimate_study(study, size)
        _show_estimates(console, study, estimates)
        if assumed:
            console.print(f"Taken as BERT base: {', '.join(assumed)}.")
        problems += _space_problems(estimates)
    except InputError as error:
        problems.append(f"no estimates: {error}")
    for problem in problems:
        console.print(f"- {problem}", highlight=False, markup=False, soft_wrap=True)
    if problems:
        console.print(f"[bold]The study cannot start. Problems: {len(problems)}, see above.")
        sys.exit(1)
    console.print("[bold]The study can start.")


def _network_problems(study: Configuration, manifest: Manifest) -> list[str]:
    problems = []
    for name, specification in study.used_networks.items():
        try:
            check_specification(specification)
        except ValueError as error:
            source = checkpoint_source(manifest, specification["weights"])
            whence = f" It comes from {source}" if source else ""
            problems.append(f"networks.{name}: {error}{whence}")
    return problems


def _show_files(
    console: Console, study: Configuration, layout: NSDLayout, manifest: Manifest
) -> list[str]:
    """Print what is there, missing and damaged by role; the problems in words."""
    settings = study.responses
    designs, found = find_problems(
        *(layout, study.subjects, settings.space, settings.betas, study.rois, study.annotations),
        map_spaces=study.map_spaces,
    )
    sessions = {subject: design.n_sessions for subject, design in designs.items()}
    files = required_files(manifest, study, sessions)
    missing = {file.path for file in files if not file.is_there(layout.root)}
    # a file that is missing is told once, with its source
    told = [text for text in found if not any(_names(text, layout, path) for path in missing)]
    damaged = {f.path for f in files if any(_names(text, layout, f.path) for text in told)}
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
                f"{role}: {len(lacking)} files are missing (first: {layout.root / lacking[0]}). "
                f"`snakemake fetch` brings them from {manifest.sources[source].place}."
            )
    console.print(table)
    return problems + told


def _names(problem: str, layout: NSDLayout, path: str) -> bool:
    return f"{layout.root / path}:" in problem


def _show_estimates(
    console: Console, study: Configuration, estimates: Sequence[StageEstimate]
) -> None:
    table = Table(title=f"What study {study.study} will need, about")
    table.add_column("stage")
    for column in ("jobs", "CPU core hours", "GPU hours (if any)", "memory GB", "disk GB"):
        table.add_column(column, justify="right")
    for stage in estimates:
        gpu = "" if stage.gpu_seconds is None else f"{stage.gpu_seconds / HOUR:.2f}"
        hours, jobs = f"{stage.core_seconds / HOUR:.2f}", str(stage.jobs)
        sizes = [f"{n / GIGABYTE:.2f}" for n in (stage.memory_bytes, stage.disk_bytes)]
        table.add_row(stage.stage, jobs, hours, gpu, *sizes)
    table.add_section()
    hours = sum(stage.core_seconds for stage in estimates) / HOUR
    gpu = sum(stage.gpu_seconds or 0 for stage in estimates) / HOUR
    memory = max(stage.memory_bytes for stage in estimates) / GIGABYTE
    disk = sum(stage.disk_bytes for stage in estimates) / GIGABYTE
    jobs = str(sum(stage.jobs for stage in estimates))
    table.add_row("all", jobs, f"{hours:.2f}", f"{gpu:.2f}", f"{memory:.2f}", f"{disk:.2f}")
    console.print(table)
    console.print(
        "CPU rates were measured on two cores of a server, the GPU's is assumed. "
        "Memory is that of the largest job. What exists already is not subtracted."
    )


def _space_problems(estimates: Sequence[StageEstimate]) -> list[str]:
    problems = []
    disk = sum(stage.disk_bytes for stage in estimates)
    free = shutil.disk_usage(".").free
    if disk > free:
        problems.append(
            f"disk: about {disk / GIGABYTE:.1f} GB are needed here, {free / GIGABYTE:.1f} are free"
        )
    memory = max(stage.memory_bytes for stage in estimates)
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if memory > installed:
        problems.append(
            f"memory: a job needs about {memory / GIGABYTE:.1f} GB, this machine has "
            f"{installed / GIGABYTE:.1f}; run it on a larger one (see profiles/), or with "
            "`mask: nsdgeneral`"
        )
    return problems


if __name__ == "__main__":
    run_stage(main)
