"""Download the external files that a study needs, or list them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console

from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError, run_stage
from pipeline.jobs.frozen_run import setting
from pipeline.nsd.fetch.fetch import Fetcher
from pipeline.nsd.fetch.own_bucket import files_to_take, take_from
from pipeline.nsd.fetch.plan import list_files, print_plan
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import (
    Manifest,
    read_manifest,
    require_terms,
    required_checkpoints,
    required_files,
    required_weights,
)
from pipeline.results.metadata import write_json

WIDTH = 110


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=setting)
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--verify", action="store_true", help="compare checksums of all files")
    parser.add_argument("--plan", type=Path, help="list files there (TSV), download nothing")
    parser.add_argument("--fetched", type=Path, help="written when all files are there")
    arguments = parser.parse_args()
    fetch(
        parse_configuration(arguments.configuration),
        read_manifest(arguments.manifest),
        parallel=arguments.parallel,
        verify=arguments.verify,
        plan=arguments.plan,
        fetched=arguments.fetched,
    )


def fetch(
    study: Configuration,
    manifest: Manifest,
    *,
    parallel: int = 4,
    verify: bool = False,
    plan: Path | None = None,
    fetched: Path | None = None,
) -> None:
    """Download the files and weights that a study needs, or list them.

    Parameters
    ----------
    parallel : number of simultaneous downloads
    verify : compare checksums of all files
    plan : list files there (TSV), and download nothing
    fetched : written when all files are there
    """
    fetcher = partial(Fetcher, parallel=parallel, verify=verify)
    _files(study, manifest, fetcher, plan, fetched)
    _weights(study, manifest, fetcher, download=plan is None)


def _files(
    study: Configuration,
    manifest: Manifest,
    fetcher: Callable[[Path, Manifest], Fetcher],
    plan: Path | None,
    fetched: Path | None,
) -> None:
    """Fetch files of NSD, or list them."""
    if study.dataset is not None:
        print(f"{study.nsd}: your own dataset; no file of NSD is fetched")
        return
    needed = files = required_files(manifest, study)
    if study.nsd_bucket:
        manifest = take_from(study.nsd_bucket, manifest)
        files = files_to_take(manifest, study)
    elif _is_simulated(study):
        print(f"{study.nsd}: simulated; no file of NSD is fetched")
        return
    if plan:
        print_plan(Console(width=WIDTH), files, manifest, study)
        list_files(files, study, plan)
        return
    marker = str(NSDLayout(study.nsd).simulated_marker.relative_to(study.nsd))
    if not any(file.path == marker for file in files):
        require_terms(manifest, files, study)
    came = fetcher(study.nsd, manifest).fetch(files)
    print(f"{study.nsd}: {len(came)} files came, {len(files)} are there")
    if fetched:
        write_json(fetched, {"files": [file.path for file in needed]})


def _weights(
    study: Configuration,
    manifest: Manifest,
    fetcher: Callable[[Path, Manifest], Fetcher],
    download: bool,
) -> None:
    """Fetch weights of networks, or list them."""
    checkpoints, pretrained = (
        required_checkpoints(manifest, study),
        required_weights(manifest, study),
    )
    for name, entry in {**checkpoints, **pretrained}.items():
        known = (
            f"{entry.source}, {entry.bytes / 1e6:.0f} MB, {entry.terms}" if entry else "unlisted"
        )
        print(f"weights of {name}: {known}")
    if not download:
        return
    if checkpoints:
        fetcher(manifest.weights_folder, manifest).fetch_checkpoints(list(checkpoints.values()))
    for name in pretrained:
        _fetch_weights(study, name, manifest.weights_folder)


def _is_simulated(study: Configuration) -> bool:
    return study.simulation is not None or NSDLayout(study.nsd).is_simulated


def _fetch_weights(study: Configuration, name: str, folder: Path) -> None:
    """Load a network once: libraries download and keep its weights."""
    # imported here: it takes seconds that a study without downloads need not wait
    from features.networks import load_network

    try:
        load_network(study.used_networks[name], device="cpu", cache=folder)
    except ValueError as error:
        raise InputError(f"networks.{name}: {error}") from None


if __name__ == "__main__":
    run_stage(main)
