"""Commands that prepare a study: what is missing, and downloads. They need no Snakemake."""

from __future__ import annotations

import sys
from pathlib import Path

from pipeline.cli.names import command_on
from pipeline.configuration.reading import read_configuration
from pipeline.jobs.code_version import ROOT
from pipeline.nsd.manifest import read_manifest
from pipeline.stages.fetch import fetch

MANIFEST = ROOT / "data_manifest.yaml"


def preflight_study(configfile: Path) -> None:
    """Check whether a study can start, estimate what it needs, and say what to type next."""
    # imported here: it imports torch, which downloads need not wait for
    from pipeline.stages.preflight import check_study

    study, manifest = read_configuration(configfile), read_manifest(MANIFEST)
    if not check_study(study, manifest):
        sys.exit(
            f"Correct what is listed (`{command_on('fetch', configfile)}` downloads what is "
            f"missing), then type {command_on('preflight', configfile)}"
        )
    print(f"Next: {command_on('run', configfile)}")


def fetch_files(configfile: Path, plan_only: bool) -> None:
    """Download the files that a study needs, or list them."""
    study, manifest = read_configuration(configfile), read_manifest(MANIFEST)
    if plan_only:
        fetch(study, manifest, plan=Path("results") / study.study / "fetch_plan.tsv")
        print(f"Next: {command_on('fetch', configfile)}")
        return
    # a file by which the workflow knows that all came from the study's own bucket
    fetched = study.nsd / f"fetched/{study.study}.json" if study.nsd_bucket else None
    fetch(study, manifest, fetched=fetched)
    print(f"Next: {command_on('preflight', configfile)}")
