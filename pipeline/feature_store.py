"""Extracted features, kept by what they are, so that studies share them without meeting.

A folder holds what one network gave: its name has a hash of the network as it was loaded
(architecture, weights, preprocessing), of its stimuli and of the code that extracted. In it lie
parts: some images in some layers, each written once and never changed. Whoever needs more images or
layers adds a part; nothing that one study does changes what another reads. Files of a study refer
to rows of parts (HDF5 virtual datasets), so that features lie on disk once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from pipeline.errors import InputError
from pipeline.references import Rows, refer_to_rows
from pipeline.storage import canonical, create_result

LETTERS_OF_HASH = 12


@dataclass(frozen=True)
class StoredPart:
    """Some images of a network in some layers, in a file.

    Attributes
    ----------
    nsd_id : (image,)
    widths : {layer: number of features}
    """

    path: Path
    nsd_id: np.ndarray
    widths: Mapping[str, int]


class FeatureStore:
    """The parts that there are of one network.

    Parameters
    ----------
    root : folder of all networks
    identity : all that decides the features of an image: plain values, with `architecture`
    """

    def __init__(self, root: Path, identity: Mapping[str, Any]) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(identity["architecture"]))
        self.folder = root / f"{name}-{_short_hash(identity)}"

    @cached_property
    def parts(self) -> list[StoredPart]:
        """What was there when it was first asked for, in the order of the files' names."""
        # one that is being written begins with a dot
        return [_read_part(path) for path in sorted(self.folder.glob("[!.]*.h5"))]

    def missing(
        self, nsd_id: np.ndarray, layers: Sequence[str]
    ) -> list[tuple[np.ndarray, list[str]]]:
        """Images that no part has, and the layers in which they are missing."""
        found = {layer: nsd_id[~np.isin(nsd_id, self._stored(layer))] for layer in layers}
        return [
            (np.frombuffer(images, nsd_id.dtype), list(together))
            for images, together in groupby(layers, lambda layer: found[layer].tobytes())
            if images
        ]

    def _stored(self, layer: str) -> np.ndarray:
        found = [part.nsd_id for part in self.parts if layer in part.widths]
        return np.concatenate(found) if found else np.empty(0, np.int64)

    @contextmanager
    def add(
        self, study: str, nsd_id: np.ndarray, layers: Sequence[str], provenance: Mapping[str, Any]
    ) -> Iterator[h5py.File]:
        """A file for a part, in which `features/<layer>` of these images are to be written.

        Parameters
        ----------
        study : who adds it: two studies that miss the same images at the same time write two files
        """
        name = _short_hash([nsd_id.tolist(), list(layers)])
        with create_result(self.folder / f"{study}-{name}.h5", provenance) as file:
            file["nsd_id"] = nsd_id
            yield file
        self.__dict__.pop("parts", None)

    def refer(
        self, file: h5py.File, place: Path, nsd_id: np.ndarray, layers: Sequence[str]
    ) -> None:
        """Let `features/<layer>` of a study's file be the rows of these images.

        Parameters
        ----------
        file : open to be written, to be moved to `place`
        """
        for layer in layers:
            name, taken = f"features/{layer}", self._taken(nsd_id, layer)
            blocks = [
                Rows(part.path, name, (len(part.nsd_id), part.widths[layer]), rows, places)
                for part, rows, places in taken
            ]
            width = taken[0][0].widths[layer]
            refer_to_rows(file, place, name, (len(nsd_id), width), blocks)

    def sources(self, nsd_id: np.ndarray, layers: Sequence[str]) -> list[Path]:
        """The parts that `refer` takes these images of."""
        taken = {part.path for layer in layers for part, _, _ in self._taken(nsd_id, layer)}
        return sorted(taken)

    def _taken(
        self, nsd_id: np.ndarray, layer: str
    ) -> list[tuple[StoredPart, np.ndarray, np.ndarray]]:
        """Parts with a layer of images, the rows that are taken of each, and where these go.

        An image that two parts have is taken of the first.
        """
        taken, left = [], np.ones(len(nsd_id), dtype=bool)
        for part in self.parts:
            if layer in part.widths:
                _, rows, places = np.intersect1d(part.nsd_id, nsd_id, return_indices=True)
                rows, places = rows[left[places]], places[left[places]]
                left[places] = False
                if len(rows):
                    taken.append((part, rows, places))
        return taken


def _short_hash(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:LETTERS_OF_HASH]


def _read_part(path: Path) -> StoredPart:
    """What is in a part; whether its features are whole is for who reads them to check."""
    try:
        with h5py.File(path, "r") as file:
            widths = {layer: dataset.shape[1] for layer, dataset in file["features"].items()}
            return StoredPart(path, file["nsd_id"][()], widths)
    except (OSError, KeyError) as error:
        raise InputError(f"{path}: damaged ({error}). Delete it and run snakemake again.") from None
