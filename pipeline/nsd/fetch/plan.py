"""Summary of what a fetch would download, in gigabytes and by file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline.configuration.study import Configuration
from pipeline.nsd.manifest import ArchiveSource, ExternalFile, Manifest
from pipeline.results.integrity import atomic_path


def summarise(files: Sequence[ExternalFile], root: Path) -> Mapping[str, list[int]]:
    """Count {role: [existing files, their bytes, missing files, their bytes (approximate)]}."""
    roles: dict[str, list[int]] = {}
    for file in files:
        counts = roles.setdefault(file.role, [0, 0, 0, 0])
        offset = 0 if file.is_there(root) else 2
        counts[offset] += 1
        counts[offset + 1] += file.bytes or 0
    return roles


def bytes_to_come(files: Sequence[ExternalFile], root: Path, manifest: Manifest) -> int:
    """Estimate the free bytes that a disk needs, for archives and their extracted members too."""
    missing = [file for file in files if not file.is_there(root)]
    sources = (manifest.sources[name] for name in {file.source for file in missing})
    archives = sum(s.archive_bytes for s in sources if isinstance(s, ArchiveSource))
    return archives + sum(file.bytes or 0 for file in missing)


def print_plan(
    console: Console, files: Sequence[ExternalFile], manifest: Manifest, study: Configuration
) -> None:
    """Print which files exist and which would be downloaded, by role, with gigabytes."""
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
    console.print(table)
    for name in dict.fromkeys(file.source for file in files):
        source = manifest.sources[name]
        packed = ""
        if isinstance(source, ArchiveSource):
            packed = f" ({source.archive_bytes / 1e9:.2f} GB, removed once unpacked)"
        console.print(
            f"{name}: {source.address}{packed}; {source.terms} ({source.terms_url})", soft_wrap=True
        )
    if not study.nsd_terms_accepted:
        console.print("NSD's terms are not accepted yet (`nsd_terms_accepted: true`).")


def list_files(files: Sequence[ExternalFile], study: Configuration, path: Path) -> None:
    """Write a table of all files, with approximate sizes and whether they exist."""
    rows = [
        f"{file.path}\t{file.source}\t{file.bytes}\t{'yes' if file.is_there(study.nsd) else 'no'}"
        for file in files
    ]
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join(["path\tsource\tbytes\tthere", *rows]) + "\n")
    print(f"{path}: lists all {len(files)} files")


def _numbers(counts: Sequence[int]) -> list[str]:
    there, there_bytes, coming, coming_bytes = counts
    return [str(there), f"{there_bytes / 1e9:.2f}", str(coming), f"{coming_bytes / 1e9:.2f}"]
