"""NSD in an S3 bucket: which of a study's files are there, and what each stage reads of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

import boto3
import botocore.exceptions
from botocore import UNSIGNED
from botocore.config import Config

from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.manifest import (
    ArchiveSource,
    BucketSource,
    ExternalFile,
    Manifest,
    require_terms,
    required_files,
)
from pipeline.nsd.layout import NSDLayout

SECONDS_TO_CONNECT, SECONDS_OF_SILENCE = 20, 60
SESSION = re.compile(r"betas_session(\d+)\.")


@dataclass(frozen=True)
class Bucket:
    """A bucket, or a part of one, laid out as NSD's.

    Requests are signed where AWS credentials are found, else anonymous; AWS_ENDPOINT_URL_S3 names
    another server than Amazon's.

    Attributes
    ----------
    address : s3://bucket or s3://bucket/prefix
    region : None if the environment's
    """

    address: str
    region: str | None = None

    @classmethod
    def of(cls, address: str, manifest: Manifest) -> Bucket:
        """The bucket at an address; the manifest knows the regions of its own."""
        name = address.removeprefix("s3://").partition("/")[0]
        buckets = (s for s in manifest.sources.values() if isinstance(s, BucketSource))
        return cls(address, next((b.region for b in buckets if b.bucket == name), None))

    @property
    def settings(self) -> dict[str, Any]:
        """What Snakemake's storage plugin must know beside its own options."""
        region = {"region": self.region} if self.region else {}
        anonymous = boto3.Session().get_credentials() is None
        return {**region, **({"signature_version": UNSIGNED} if anonymous else {})}

    def file(self, path: str) -> str:
        """Address of a file."""
        return f"{self.address}/{path}"

    def present(self, folders: Iterable[str]) -> set[str]:
        """Files that lie directly in some folders, as paths below the address.

        Raises
        ------
        InputError
            The bucket cannot be listed.
        """
        name, _, prefix = self.address.removeprefix("s3://").partition("/")
        start = f"{prefix}/" if prefix else ""
        pages = self._client.get_paginator("list_objects_v2")
        found = set()
        try:
            for folder in folders:
                below = start + (f"{folder}/" if folder else "")
                for page in pages.paginate(Bucket=name, Prefix=below, Delimiter="/"):
                    found |= {file["Key"].removeprefix(start) for file in page.get("Contents", [])}
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError) as error:
            raise InputError(
                f"nsd: {self.address} cannot be listed ({error}). Check the address; "
                "AWS_ENDPOINT_URL_S3 if the server is not Amazon's; and AWS credentials if the "
                "bucket is not public."
            ) from error
        return found

    @cached_property
    def _client(self) -> Any:
        settings = self.settings
        return boto3.client(
            "s3",
            region_name=settings.get("region"),
            config=Config(
                signature_version=settings.get("signature_version"),
                connect_timeout=SECONDS_TO_CONNECT,
                read_timeout=SECONDS_OF_SILENCE,
            ),
        )


@dataclass(frozen=True)
class BucketFiles:
    """A study's external files.

    Attributes
    ----------
    inside : in the bucket
    packed : not in it, but in an archive that `snakemake fetch` brings
    """

    inside: tuple[ExternalFile, ...]
    packed: tuple[ExternalFile, ...]

    def read_by(
        self, stage: str, subjects: Iterable[str], needs: Iterable[str] | None = None
    ) -> tuple[list[str], list[str]]:
        """Paths of the files in the bucket and of those beside it that a stage reads.

        Parameters
        ----------
        needs : kinds of stimuli that a job reads; by default all that the stage may
        """

        def chosen(files: Iterable[ExternalFile]) -> list[str]:
            return [
                file.path
                for file in files
                if stage in file.stages
                and (file.subject is None or file.subject in subjects)
                and (needs is None or file.needs is None or file.needs in needs)
            ]

        return chosen(self.inside), chosen(self.packed)


def find_files(bucket: Bucket, study: Configuration, manifest: Manifest) -> BucketFiles:
    """Look up every file that a study needs, by listing folders: nothing is opened.

    A subject has as many sessions as the bucket has betas of.

    Raises
    ------
    InputError
        The bucket cannot be listed, lacks files, or is under terms that were not accepted.
    """
    listed = required_files(manifest, study)
    paths = [path for file in listed for path in (file.path, file.alternative) if path]
    present = bucket.present(sorted({"", *(_folder(path) for path in paths)}))
    marker = str(NSDLayout(study.nsd).simulated_marker.relative_to(study.nsd))
    if marker not in present:
        require_terms(manifest, listed, study)
    files = [_found(f, present) for f in required_files(manifest, study, _sessions(study, present))]
    inside = [file for file in files if file.path in present]
    absent = [file for file in files if file.path not in present]
    packed = [f for f in absent if isinstance(manifest.sources[f.source], ArchiveSource)]
    if lacking := [file for file in absent if file not in packed]:
        raise InputError(
            f"nsd: {len(lacking)} of {len(files)} files are not in the bucket, first "
            f"{bucket.file(lacking[0].path)} ({lacking[0].role}). Correct the address, or put them "
            "there."
        )
    if marker in present:
        stages = tuple(dict.fromkeys(stage for file in files for stage in file.stages))
        inside.append(ExternalFile(marker, "nsd", "says that the tree is simulated", stages, None))
    return BucketFiles(tuple(inside), tuple(packed))


def _found(file: ExternalFile, present: set[str]) -> ExternalFile:
    """The file, or the one that serves as well if only that is there."""
    if file.alternative in present and file.path not in present:
        return replace(file, path=file.alternative, alternative=None)
    return file


def _sessions(study: Configuration, present: set[str]) -> Mapping[str, int]:
    """{subject: number of its last session}, of subjects of whom there is one."""
    sessions: dict[str, int] = {}
    for subject in study.subjects:
        space, betas = study.responses.space, study.responses.betas
        folder = str(NSDLayout(study.nsd).beta_folder(subject, space, betas).relative_to(study.nsd))
        own = (SESSION.search(path) for path in present if _folder(path) == folder)
        if numbers := [int(match[1]) for match in own if match]:
            sessions[subject] = max(numbers)
    return sessions


def _folder(path: str) -> str:
    parent = str(PurePosixPath(path).parent)
    return "" if parent == "." else parent
