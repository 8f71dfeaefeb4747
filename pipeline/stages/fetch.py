"""Download the external files that a study needs, or print which they are."""

from __future__ import annotations

import argparse
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError, run_stage
from pipeline.fetch.fetch import Fetcher, summarise
from pipeline.frozen_run import setting
from pipeline.manifest import (
    ArchiveSource,
    BucketSource,
    ExternalFile,
    Manifest,
    read_manifest,
    require_terms,
    required_checkpoints,
    required_files,
    required_weights,
)
from pipeline.nsd.layout import NSDLayout
from pipeline.storage import atomic_path

WIDTH = 110


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configuration", required=True, type=setting)
    parser.add_argument("--manifest", required=True, type=Path)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--verify", action="store_true", help="compare checksums of all files")
    parser.add_argument("--plan", type=Path, help="list files there (TSV), download nothing")
    parser.add_argument("--files", nargs="+", help="these alone, and no weights")
    arguments = parser.parse_args()
    study = parse_configuration(arguments.configuration)
    manifest = read_manifest(arguments.manifest)
    _files(arguments, study, manifest)
    if not arguments.files:
        _weights(arguments, study, manifest)


def _files(arguments: argparse.Namespace, study: Configuration, manifest: Manifest) -> None:
    """Fetch files of NSD, or list them."""
    files = required_files(manifest, study)
    if arguments.files:
        files = [file for file in files if file.path in arguments.files]
    elif study.nsd_bucket:
        print(f"{study.nsd_bucket}: jobs take their files from there; no file of NSD is fetched")
        return
    elif _is_simulated(study):
        print(f"{study.nsd}: simulated; no file of NSD is fetched")
        return
    if arguments.plan:
        print_plan(files, manifest, study)
        _list_files(files, study, arguments.plan)
        return
    require_terms(manifest, files, study)
    fetcher = Fetcher(study.nsd, manifest, arguments.parallel, arguments.verify)
    came = fetcher.fetch(files)
    print(f"{study.nsd}: {len(came)} files came, {len(files)} are there")


def _weights(arguments: argparse.Namespace, study: Configuration, manifest: Manifest) -> None:
    """Fetch weights of networks, or say which they are."""
    checkpoints, pretrained = (
        required_checkpoints(manifest, study),
        required_weights(manifest, study),
    )
    for name, entry in {**checkpoints, **pretrained}.items():
        known = (
            f"{entry.source}, {entry.bytes / 1e6:.0f} MB, {entry.terms}" if entry else "unlisted"
        )
        print(f"weights of {name}: {known}")
    if arguments.plan:
        return
    if checkpoints:
        fetcher = Fetcher(manifest.weights_folder, manifest, arguments.parallel, arguments.verify)
        fetcher.fetch_checkpoints(list(checkpoints.values()))
    for name in pretrained:
        _fetch_weights(study, name, manifest.weights_folder)


def print_plan(files: list[ExternalFile], manifest: Manifest, study: Configuration) -> None:
    """Which files there are and which would come, by role, with gigabytes."""
    table = Table(title=f"External files of study {study.study}, below {study.nsd}")
    table.add_column("role")
    for column in ("there", "GB", "to come", "GB (about)"):
        table.add_column(column, justify="right")
    totals = [0, 0, 0, 0]
    for role, counts in summarise(files, study.nsd).items():
        totals = [a + b for a, b in zip(totals, counts, strict=True)]
        table.add_row(role, *_numbers(counts))
    table.add_section()
    table.add_row("all", *_numbers(totals))
    console = Console(width=WIDTH)
    console.print(table)
    for name in dict.fromkeys(file.source for file in files):
        source = manifest.sources[name]
        console.print(
            f"{name}: {source.place}{_packed(source)}; {source.terms} ({source.terms_url})",
            soft_wrap=True,
        )
    if not study.nsd_terms_accepted:
        console.print("NSD's terms are not accepted yet (`nsd_terms_accepted: true`).")


def _packed(source: BucketSource | ArchiveSource) -> str:
    if isinstance(source, BucketSource):
        return ""
    return f" ({source.archive_bytes / 1e9:.2f} GB, removed once unpacked)"


def _list_files(files: list[ExternalFile], study: Configuration, path: Path) -> None:
    """Every file, about how large it is, and whether it is there."""
    rows = [
        f"{file.path}\t{file.source}\t{file.bytes}\t{'yes' if file.is_there(study.nsd) else 'no'}"
        for file in files
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(["path\tsource\tbytes\tthere", *rows]) + "\n")
    print(f"{path}: lists all {len(files)} files")


def _numbers(counts: list[int] | tuple[int, ...]) -> list[str]:
    there, there_bytes, coming, coming_bytes = counts
    return [str(there), f"{there_bytes / 1e9:.2f}", str(coming), f"{coming_bytes / 1e9:.2f}"]


def _is_simulated(study: Configuration) -> bool:
    return study.simulation is not None or NSDLayout(study.nsd).is_simulated


def _fetch_weights(study: Configuration, name: str, folder: Path) -> None:
    """The libraries keep what they download; loading a network once is all it takes."""
    # here, since it takes seconds that a study whose weights are there need not wait
    from features.networks import load_network

    try:
        load_network(study.used_networks[name], device="cpu", cache=folder)
    except ValueError as error:
        raise InputError(f"networks.{name}: {error}") from None


if __name__ == "__main__":
    run_stage(main)
