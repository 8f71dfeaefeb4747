"""Features of networks, stored once for all studies.

The features that one network computed are in a folder whose name has a hash of what decides them:
the network as it was loaded (architecture, weights, preprocessing) and the code of the extraction.
It holds parts: files with the features of some images in some layers. A part is written once and
never changed. A study that needs more images or layers adds a part, so nothing that one study does
changes what another reads. Each image is known by its number and by a hash of what the network was
shown. Files of a study refer to rows of parts (HDF5 virtual datasets): features are not copied.
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

from features.layers import Layer
from pipeline.errors import InputError
from pipeline.results.references import Rows, refer_to_rows
from pipeline.results.result_file import ResultFile
from pipeline.results.storage import DAMAGED_FILE_ERRORS, canonical, create_result

LETTERS_OF_HASH = 12
# attribute of an array of features
LAYER = "layer"


@dataclass(frozen=True)
class Images:
    """Images, and what was shown of them.

    Attributes
    ----------
    nsd_id : (image,) int64
    shown : (image,) uint64, hashes of the stimuli
    """

    nsd_id: np.ndarray
    shown: np.ndarray

    def __len__(self) -> int:
        return len(self.nsd_id)

    def __getitem__(self, chosen: np.ndarray) -> Images:
        return Images(self.nsd_id[chosen], self.shown[chosen])

    def rows_in(self, others: Images) -> tuple[np.ndarray, np.ndarray]:
        """Places of these images, and their rows in others that have them."""
        _, rows, places = np.intersect1d(others.nsd_id, self.nsd_id, return_indices=True)
        same = others.shown[rows] == self.shown[places]
        return places[same], rows[same]


@dataclass(frozen=True)
class StoredPart:
    """Features of some images in some layers, in a file.

    Attributes
    ----------
    widths : {layer: number of features}
    """

    path: Path
    images: Images
    widths: Mapping[str, int]


class FeatureStore:
    """The parts that there are of one network.

    Parameters
    ----------
    root : folder of all networks
    identity : everything that decides the features of a stimulus: plain values, with `architecture`
    """

    def __init__(self, root: Path, identity: Mapping[str, Any]) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(identity["architecture"]))
        self.folder = root / f"{name}-{_short_hash(identity)}"

    @cached_property
    def parts(self) -> list[StoredPart]:
        """What was there when it was first asked for, in the order of the files' names."""
        # one that is being written begins with a dot
        return [_read_part(path) for path in sorted(self.folder.glob("[!.]*.h5"))]

    def missing(self, images: Images, layers: Sequence[str]) -> list[tuple[Images, list[str]]]:
        """Images that no part has, and the layers in which they are missing."""
        lacking = {layer: self._lacking(images, layer) for layer in layers}
        groups = groupby(layers, lambda layer: lacking[layer].tobytes())
        together = [list(alike) for _, alike in groups]
        return [(images[lacking[g[0]]], g) for g in together if lacking[g[0]].any()]

    def _lacking(self, images: Images, layer: str) -> np.ndarray:
        """(image,) bool, whether no part has the layer of an image."""
        lacking = np.ones(len(images), dtype=bool)
        for _, _, places in self._taken(images, layer):
            lacking[places] = False
        return lacking

    @contextmanager
    def add(
        self, study: str, images: Images, layers: Sequence[str], provenance: Mapping[str, Any]
    ) -> Iterator[ResultFile]:
        """A file for a part, to which `add_layer` is to add the features of these images.

        Parameters
        ----------
        study : who adds it: two studies that miss the same images at the same time write two files;
            if two jobs of one study do, the file that is there first stays
        """
        name = _short_hash([images.nsd_id.tolist(), images.shown.tolist(), list(layers)])
        path = self.folder / f"{study}-{name}.h5"
        with create_result(path, provenance, replace=False) as file:
            file.add("image", "image", images.nsd_id)
            file.add("shown", "image", images.shown)
            yield file
        self.__dict__.pop("parts", None)

    def refer(self, file: ResultFile, place: Path, images: Images, layers: Sequence[str]) -> None:
        """Let layers of a study's file be the rows of these images.

        Parameters
        ----------
        file : open to be written, to be moved to `place`
        """
        for layer in layers:
            name, taken = layer_array(layer), self._taken(images, layer)
            blocks = [
                Rows(part.path, name, (len(part.images), part.widths[layer]), rows, places)
                for part, rows, places in taken
            ]
            width = taken[0][0].widths[layer]
            shape = len(images), width
            dataset = refer_to_rows(file, place, name, _dimensions(layer), shape, blocks)
            dataset.attrs[LAYER] = np.bytes_(str(layer).encode())

    def sources(self, images: Images, layers: Sequence[str]) -> list[Path]:
        """The parts that `refer` takes these images of."""
        return sorted({part.path for layer in layers for part, _, _ in self._taken(images, layer)})

    def _taken(self, images: Images, layer: str) -> list[tuple[StoredPart, np.ndarray, np.ndarray]]:
        """Parts with a layer of images, the rows that are taken of each, and where these go.

        An image that two parts have is taken of the first.
        """
        taken, left = [], np.ones(len(images), dtype=bool)
        for part in self.parts:
            if layer in part.widths:
                places, rows = images.rows_in(part.images)
                places, rows = places[left[places]], rows[left[places]]
                left[places] = False
                if len(rows):
                    taken.append((part, rows, places))
        return taken


def add_layer(file: ResultFile, layer: Layer | str, n_images: int, width: int) -> h5py.Dataset:
    """The features of a layer, to be filled."""
    shape = n_images, width
    dataset = file.add(layer_array(layer), _dimensions(layer), shape=shape, dtype=np.float32)
    dataset.attrs[LAYER] = np.bytes_(str(layer).encode())
    return dataset


def layer_array(layer: Layer | str) -> str:
    """Name of the array with the features of a layer."""
    return f"features_{layer}"


def layer_of(dataset: h5py.Dataset) -> str | None:
    """The layer whose features an array has; None if it has others."""
    told = dataset.attrs.get(LAYER)
    return None if told is None else told.decode()


def _dimensions(layer: Layer | str) -> tuple[str, str]:
    """Each layer has as many features as it has."""
    return "image", f"feature_{layer}"


def _short_hash(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:LETTERS_OF_HASH]


def _read_part(path: Path) -> StoredPart:
    """What is in a part; whether its features are whole is for who reads them to check."""
    try:
        with h5py.File(path, "r") as file:
            arrays = ((layer_of(dataset), dataset) for dataset in file.values())
            widths = {layer: dataset.shape[1] for layer, dataset in arrays if layer is not None}
            return StoredPart(path, Images(file["image"][()], file["shown"][()]), widths)
    except DAMAGED_FILE_ERRORS as error:
        raise InputError(
            f"{path}: damaged ({error}). Delete it and run snakemake again; files of studies that "
            "consist of rows of it are told then."
        ) from None
