"""The external files that a study needs, and their sources (`data_manifest.yaml`)."""

from __future__ import annotations

import itertools
import math
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from pipeline.configuration.masks import MaskSettings
from pipeline.configuration.settings import SURFACES, MapSpace, NSDSubject, Settings, Space
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.nsd.layout import DEPTHS, HEMISPHERES, TRANSFORM_NAMES
from pipeline.reading import read_yaml, reading

MASK = "nsdgeneral"
# fraction of the vertices of fsaverage in nsdgeneral; assumed for native surfaces too
NSDGENERAL_ON_SURFACES = 37_984 / 327_684
# voxels of func1pt8mm in an ROI: assumed, of a large one such as a stream
VOXELS_PER_ROI = 8000
# volume of a voxel of func1pt8mm; MNI's voxels have 1 mm³
CUBIC_MM_OF_1PT8 = 1.8**3


class Source(Settings):
    """A bucket or an archive."""

    terms: str
    terms_url: str
    cite: str


class BucketSource(Source):
    """An S3 bucket."""

    bucket: str
    region: str | None
    # set for the bucket that a study names, see `pipeline.nsd.fetch.own_bucket`
    prefix: str = ""
    signed: bool = False

    @property
    def address(self) -> str:
        """Address of the bucket with its prefix."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


class ArchiveSource(Source):
    """A ZIP archive on a web server."""

    archive: str
    archive_bytes: int
    folder: str

    @property
    def address(self) -> str:
        """Address of the archive."""
        return self.archive


PLACEHOLDERS = frozenset(
    {"subject", "space", "betas", "session", "hemisphere", "transform", "depth", "roi"}
)


def _stays_inside(path: str | Path) -> str | Path:
    """Refuse a path that leaves its folder, or has an unknown placeholder."""
    inside = PurePosixPath(path)
    if inside.is_absolute() or ".." in inside.parts or "\\" in str(path):
        raise ValueError(f"{path} leaves its folder; name a path below it")
    for _, name, *_ in string.Formatter().parse(str(path)):
        if name is not None and name not in PLACEHOLDERS:
            raise ValueError(f"{path}: unknown placeholder {{{name}}}")
    return path


Inside = AfterValidator(_stays_inside)


class FileEntry(Settings):
    """Files of one kind, as the head of data_manifest.yaml describes."""

    path: Annotated[str, Inside]
    source: str
    role: str
    stages: list[str] = Field(min_length=1)
    spaces: list[Space] | None = None
    maps_in: list[MapSpace] | None = None
    rois: list[str] | None = None
    except_rois: list[str] = Field(default=[])
    needs: Literal["images", "captions", "instances", "nsdsynthetic"] | None = None
    bytes: int | None = None
    bytes_per_voxel: float | None = None
    grid: Space | None = None
    alternative: Annotated[str, Inside] | None = None


class WeightsEntry(Settings):
    """A checkpoint, as the head of its list in data_manifest.yaml describes."""

    library: str
    architecture: str
    pretrained_tag: str | None = None
    path: Annotated[str, Inside] | None = None
    source: str
    bytes: int
    terms: str


class SubjectFacts(Settings):
    """Numbers of a subject's sessions, images, voxels and vertices in NSD."""

    sessions: int
    images: int
    shared: int
    nsdgeneral: int
    cortex: int
    func1pt8mm: tuple[int, int, int]
    func1mm: tuple[int, int, int]
    nativesurface: tuple[int, int]


class Manifest(Settings):
    """Content of data_manifest.yaml."""

    sources: dict[str, BucketSource | ArchiveSource]
    files: list[FileEntry]
    weights_folder: Annotated[Path, Inside]
    weights: list[WeightsEntry]
    subjects: dict[NSDSubject, SubjectFacts]
    fsaverage_vertices: tuple[int, int]

    @model_validator(mode="after")
    def _sources_are_declared(self) -> Manifest:
        for entry in self.files:
            if entry.source not in self.sources:
                raise ValueError(f"files: {entry.path} is of the unknown source {entry.source}")
        for checkpoint in self.weights:
            if checkpoint.path and not Path(checkpoint.path).is_relative_to(self.weights_folder):
                raise ValueError(f"weights: {checkpoint.path} is not below {self.weights_folder}")
        return self

    def grid(self, subject: str, space: str) -> tuple[int, ...]:
        """Return (X, Y, Z), or the numbers of vertices of the left and the right hemisphere."""
        if space == "fsaverage":
            return self.fsaverage_vertices
        return getattr(self.subjects[subject], space)

    def n_voxels(self, subject: str, space: str) -> int:
        """Count the voxels of a space, in the mask or not."""
        grid = self.grid(subject, space)
        return sum(grid) if space in SURFACES else math.prod(grid)

    def n_masked(self, subject: str, space: str, mask: MaskSettings) -> int:
        """Estimate the voxels of a mask at most: counted at 1.8 mm, scaled for other spaces.

        A file and a minimum of ncsnr are not known, and taken to exclude none.
        """
        counted = getattr(self.subjects[subject], mask.within)
        if mask.rois:
            counted = min(counted, VOXELS_PER_ROI * len(mask.rois))
        if space == "MNI152":
            return round(counted * CUBIC_MM_OF_1PT8)
        if space in SURFACES:
            fraction = NSDGENERAL_ON_SURFACES if mask.within == MASK else 1.0
            fraction *= counted / getattr(self.subjects[subject], mask.within)
            return round(fraction * self.n_voxels(subject, space))
        return round(counted * self.n_voxels(subject, space) / self.n_voxels(subject, "func1pt8mm"))


@dataclass(frozen=True)
class ExternalFile:
    """A file that a study needs.

    Attributes
    ----------
    path : relative to the NSD folder
    source : name in the manifest's `sources`
    bytes : approximate size, None if unknown
    alternative : another file that can be used instead
    """

    path: str
    source: str
    role: str
    bytes: int | None
    alternative: str | None = None

    def is_there(self, root: Path) -> bool:
        """Return whether the file or its alternative exists."""
        return any((root / path).is_file() for path in (self.path, self.alternative) if path)


def read_manifest(path: Path) -> Manifest:
    """Read and check the manifest.

    Raises
    ------
    InputError
        The manifest is missing, or an entry is wrong.
    """
    if not path.exists():
        raise InputError(f"{path}: not found. It belongs to this project; check it out again.")
    hint = "Correct it, or check it out again."
    content = read_yaml(path, hint)
    with reading(path, "not a manifest", hint):
        return Manifest.model_validate(content)


def required_files(
    manifest: Manifest, study: Configuration, sessions: Mapping[str, int] | None = None
) -> list[ExternalFile]:
    """List the files that a study of NSD needs, each once, in the manifest's order.

    Parameters
    ----------
    sessions : {subject: number of sessions}; NSD's own numbers for other subjects
    """
    if study.dataset is not None:
        return []
    counts = {subject: facts.sessions for subject, facts in manifest.subjects.items()}
    counts |= sessions or {}
    if (first := study.of_nsd.sessions) is not None:
        counts = {subject: min(first, n) for subject, n in counts.items()}
    files: dict[str, ExternalFile] = {}
    for entry in manifest.files:
        for file in _expand(entry, manifest, study, counts):
            files.setdefault(file.path, file)
    return list(files.values())


def require_terms(manifest: Manifest, files: Sequence[ExternalFile], study: Configuration) -> None:
    """Raise if files come from a bucket whose terms the user has not accepted."""
    buckets = {file.source for file in files} & {
        name for name, source in manifest.sources.items() if isinstance(source, BucketSource)
    }
    if buckets and not study.nsd_terms_accepted:
        source = manifest.sources[sorted(buckets)[0]]
        raise InputError(
            f"nsd_terms_accepted: read the Terms and Conditions of NSD and fill in its data access "
            f"form at {source.terms_url}; then set `nsd_terms_accepted: true` in the configuration."
        )


def required_weights(manifest: Manifest, study: Configuration) -> dict[str, WeightsEntry | None]:
    """Find {network: its entry} for weights that a library downloads; None if not listed."""
    known = {
        (entry.library, entry.architecture, entry.pretrained_tag): entry
        for entry in manifest.weights
    }
    return {
        name: known.get(
            (network["library"], network["architecture"], network.get("pretrained_tag"))
        )
        for name, network in study.used_networks.items()
        if network["weights"] == "pretrained"
    }


def required_checkpoints(manifest: Manifest, study: Configuration) -> dict[str, WeightsEntry]:
    """Find {network: its entry} for weights that are a listed file, which no library downloads."""
    listed = {Path(entry.path): entry for entry in manifest.weights if entry.path}
    paths = {name: Path(network["weights"]) for name, network in study.used_networks.items()}
    return {name: listed[path] for name, path in paths.items() if path in listed}


def _expand(
    entry: FileEntry, manifest: Manifest, study: Configuration, sessions: Mapping[str, int]
) -> Iterator[ExternalFile]:
    space = study.of_nsd.space
    if entry.spaces is not None and space not in entry.spaces:
        return
    if entry.maps_in is not None and not set(entry.maps_in).intersection(study.map_spaces):
        return
    needed = ("images", *study.annotations, *study.experiments)
    if entry.needs is not None and entry.needs not in needed:
        return
    for subject in study.subjects:
        for values in _values(entry, study, subject, sessions[subject]):
            yield ExternalFile(
                entry.path.format(**values),
                entry.source,
                entry.role,
                _bytes(entry, manifest, values),
                entry.alternative.format(**values) if entry.alternative else None,
            )


def _values(
    entry: FileEntry, study: Configuration, subject: str, n_sessions: int
) -> Iterator[dict[str, str]]:
    """Yield every combination of values of an entry's placeholders."""
    choices: dict[str, list[str]] = {
        "subject": [subject],
        "space": [study.of_nsd.space],
        "betas": [study.of_nsd.betas],
        "session": [f"{session:02d}" for session in range(1, n_sessions + 1)],
        "hemisphere": list(HEMISPHERES),
        "transform": [TRANSFORM_NAMES.get(study.of_nsd.space, "")],
        "depth": list(DEPTHS),
        "roi": [roi for roi in dict.fromkeys([MASK, *study.read_atlases]) if _has_roi(entry, roi)],
    }
    used = {name for _, name, _, _ in string.Formatter().parse(entry.path) if name}
    # sizes depend on subject and space, even if the path does not
    names = [name for name in choices if name in used | {"subject", "space"}]
    for combination in itertools.product(*(choices[name] for name in names)):
        yield dict(zip(names, combination, strict=True))


def _has_roi(entry: FileEntry, roi: str) -> bool:
    included = entry.rois is None or any(fnmatch(roi, pattern) for pattern in entry.rois)
    return included and not any(fnmatch(roi, pattern) for pattern in entry.except_rois)


def _bytes(entry: FileEntry, manifest: Manifest, values: Mapping[str, str]) -> int | None:
    if entry.bytes_per_voxel is None:
        return entry.bytes
    subject, space = values["subject"], entry.grid or values["space"]
    voxels = manifest.n_voxels(subject, space)
    if "hemisphere" in values and space in SURFACES:
        voxels = manifest.grid(subject, space)[HEMISPHERES.index(values["hemisphere"])]
    return round(entry.bytes_per_voxel * voxels)
