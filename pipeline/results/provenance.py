"""Provenance of results: settings, code, versions, seed and inputs that they were made from."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.jobs.frozen_run import record
from pipeline.results.integrity import content_hash, label
from pipeline.results.metadata import metadata_path, read_stage, verify_with_metadata
from pipeline.results.storage import Identity, identity_in, open_result, provenance_in

PACKAGES = (
    "numpy",
    "torch",
    "open_clip_torch",
    "torchvision",
    "transformers",
    "himalaya",
    "scikit-learn",
    "nibabel",
    "h5py",
)


def read_provenance(path: Path | str) -> dict[str, Any]:
    """Read the provenance inside a result (HDF5) or beside it (the JSON of a table).

    Raises
    ------
    InputError
        The file has none, or is missing or altered.
    """
    found = find_provenance(path)
    if found is None:
        raise InputError(f"{path}: has no provenance, so no stage of this pipeline wrote it.")
    return found


def find_provenance(path: Path | str) -> dict[str, Any] | None:
    """Read the provenance of a file as `read_provenance` does; None if it is not a result."""
    path = Path(path)
    if path.suffix == ".h5":
        with open_result(path) as file:
            return provenance_in(file)
    if path.suffix == ".tsv" and metadata_path(path).exists():
        return verify_with_metadata(path)["provenance"]
    return None


def by_identity(paths: Iterable[Path]) -> dict[Identity, Path]:
    """Return {identity: file} of results, see `Result.identity`."""
    return {tuple(identity_in(read_provenance(path)).items()): path for path in paths}


def read_record(path: Path) -> dict[str, Any] | None:
    """Read the record of the stage that made a result (HDF5 or JSON), as `record` returned it."""
    if path.suffix == ".h5":
        return read_provenance(path)
    return read_stage(path) if path.suffix == ".json" else None


def make_provenance(
    stage: str,
    configuration: Mapping[str, Any],
    inputs: Mapping[str, Path | str],
    *,
    seed: int | None = None,
    simulated: bool | None = None,
    untrained: Sequence[str] | None = None,
    weights: Mapping[str, Mapping[str, str]] | None = None,
    selected: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """Describe how a result is made: settings, code, versions, seed and hash of each input.

    Whether data are simulated, which networks are untrained, the weights of every feature space and
    the selected voxels and images are inherited from the inputs, so that no later stage can omit
    them.

    Parameters
    ----------
    configuration : settings as the stage interpreted them
    inputs : {name: file}
    simulated, untrained, weights : what this stage adds to the inherited values; weights are
        {space: {"state", "label"}}, see `space_weights.py`
    selected : {subject: {"sessions", "voxels_left", "images": {variant: …}}}, likewise
    """
    inherited = [found for path in inputs.values() if (found := find_provenance(path))]
    names = set(untrained or ()).union(*(found["untrained"] for found in inherited))
    return {
        **record(stage),
        "configuration": dict(configuration),
        "versions": package_versions(),
        "inputs": {
            name: {"file": label(path), "sha256": content_hash(path)}
            for name, path in inputs.items()
        },
        "seed": seed,
        "simulated": bool(simulated) or any(found["simulated"] for found in inherited),
        "untrained": sorted(names),
        "weights": {
            **{space: entry for found in inherited for space, entry in found["weights"].items()},
            **(weights or {}),
        },
        "selected": reduce(
            _joined, [*(found.get("selected", {}) for found in inherited), selected or {}]
        ),
    }


def _joined(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Join nested dictionaries."""
    both = {key for key in first.keys() & second.keys() if isinstance(first[key], Mapping)}
    return {**first, **second, **{key: _joined(first[key], second[key]) for key in both}}


def package_versions() -> dict[str, str]:
    """Return the versions of the packages on which results depend."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}
