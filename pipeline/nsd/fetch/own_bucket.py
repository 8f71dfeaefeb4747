"""The files of NSD in an S3 bucket that a study names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import PurePosixPath

from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.nsd.fetch.remotes import Bucket
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import (
    ArchiveSource,
    BucketSource,
    ExternalFile,
    Manifest,
    required_files,
)

SESSION = re.compile(r"betas_session(\d+)\.")


def take_from(address: str, manifest: Manifest) -> Manifest:
    """Return the manifest with another bucket instead of NSD's own.

    Parameters
    ----------
    address : s3://bucket or s3://bucket/prefix, with the folders of NSD's own
    """
    name, _, prefix = address.removeprefix("s3://").partition("/")
    sources = dict(manifest.sources)
    for key, source in manifest.sources.items():
        if isinstance(source, BucketSource):
            region = source.region if source.bucket == name else None
            changes = {"bucket": name, "prefix": prefix, "region": region, "signed": True}
            sources[key] = source.model_copy(update=changes)
    return manifest.model_copy(update={"sources": sources})


def files_to_take(manifest: Manifest, study: Configuration) -> list[ExternalFile]:
    """List the files that a study needs and the bucket has.

    Only folders are listed. Each subject has the sessions of which the bucket has betas. Members of
    archives are taken from the bucket if it has them.

    Parameters
    ----------
    manifest : result of `take_from`

    Raises
    ------
    InputError
        The bucket cannot be listed, or lacks files.
    """
    key, source = next((k, s) for k, s in manifest.sources.items() if isinstance(s, BucketSource))
    listed = required_files(manifest, study)
    paths = [path for file in listed for path in (file.path, file.alternative) if path]
    present = Bucket.of(source).present(sorted({"", *map(_folder, paths)}))
    files = []
    for file in required_files(manifest, study, _sessions(study, present)):
        if found := [path for path in (file.path, file.alternative) if path in present]:
            files.append(replace(file, path=found[0], alternative=None, source=key))
        else:
            files.append(file)
    lacking = [
        file
        for file in files
        if file.path not in present and not isinstance(manifest.sources[file.source], ArchiveSource)
    ]
    if lacking:
        raise InputError(
            f"nsd: {len(lacking)} of {len(files)} files are not in the bucket, first "
            f"{source.address}/{lacking[0].path} ({lacking[0].role}). Correct the address, or put "
            "them there."
        )
    marker = str(NSDLayout(study.nsd).simulated_marker.relative_to(study.nsd))
    if marker in present:
        files.append(ExternalFile(marker, key, "says that the tree is simulated", None))
    return files


def _sessions(study: Configuration, present: set[str]) -> Mapping[str, int]:
    """Find {subject: number of its last session} in the bucket."""
    sessions: dict[str, int] = {}
    for subject in study.subjects:
        space, betas = study.of_nsd.space, study.of_nsd.betas
        folder = str(NSDLayout(study.nsd).beta_folder(subject, space, betas).relative_to(study.nsd))
        own = (SESSION.search(path) for path in present if _folder(path) == folder)
        if numbers := [int(match[1]) for match in own if match]:
            sessions[subject] = max(numbers)
    return sessions


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent
