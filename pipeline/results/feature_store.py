"""Features of networks, stored once for all studies.

Features of one network are stored in a folder whose name has a hash of everything that determines
them: the network as it was loaded (architecture, weights, preprocessing) and the extraction's code.
The folder contains parts: files with the features of some images in some layers. A part is written
once and never changed; a study that needs more images or layers adds a part. An image is identified
by its number and a hash of its stimulus. Files of a study refer to rows of parts (HDF5 virtual
datasets), so that features are not copied.
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

HASH_LENGTH = 12
# attribute of an array of features that names its layer
LAYER = "layer"
LARGEST_HALF = float(np.finfo(np.float16).max)
# features of the first images are smaller than the largest number by this factor,
HEADROOM = 64
# and are rounded by less than this fraction of their standard deviation
ROUNDING = 5e-3


@dataclass(frozen=True)
class Images:
    """Images and hashes of their stimuli, such as the picture or the captions.

    Attributes
    ----------
    nsd_id : (image,) int64
    stimulus_hash : (image,) uint64
    """

    nsd_id: np.ndarray
    stimulus_hash: np.ndarray

    def __len__(self) -> int:
        return len(self.nsd_id)

    def __getitem__(self, chosen: np.ndarray) -> Images:
        return Images(self.nsd_id[chosen], self.stimulus_hash[chosen])

    def rows_in(self, others: Images) -> tuple[np.ndarray, np.ndarray]:
        """Return rows of these images that others have too, and their rows in the others."""
        _, rows, own_rows = np.intersect1d(others.nsd_id, self.nsd_id, return_indices=True)
        same = others.stimulus_hash[rows] == self.stimulus_hash[own_rows]
        return own_rows[same], rows[same]


@dataclass(frozen=True)
class StoredPart:
    """A file with the features of some images in some layers.

    Attributes
    ----------
    widths : {layer: number of features}
    """

    path: Path
    images: Images
    widths: Mapping[str, int]


class FeatureStore:
    """The stored parts of one network.

    Parameters
    ----------
    root : folder of all networks
    identity : everything that determines features: plain values, with a key `architecture`
    """

    def __init__(self, root: Path, identity: Mapping[str, Any]) -> None:
        name = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(identity["architecture"]))
        self.folder = root / f"{name}-{_short_hash(identity)}"

    @cached_property
    def parts(self) -> list[StoredPart]:
        """Parts that existed at the first access, ordered by file name."""
        # names of unfinished files begin with a dot
        return [_read_part(path) for path in sorted(self.folder.glob("[!.]*.h5"))]

    def missing(self, images: Images, layers: Sequence[str]) -> list[tuple[Images, list[str]]]:
        """Return images that no part contains, and the layers in which they are missing."""
        lacking = {layer: self._lacking(images, layer) for layer in layers}
        groups = groupby(layers, lambda layer: lacking[layer].tobytes())
        together = [list(alike) for _, alike in groups]
        return [(images[lacking[g[0]]], g) for g in together if lacking[g[0]].any()]

    def _lacking(self, images: Images, layer: str) -> np.ndarray:
        """Return (image,) bool, whether no part has the layer of an image."""
        lacking = np.ones(len(images), dtype=bool)
        for _, _, own_rows in self._stored(images, layer):
            lacking[own_rows] = False
        return lacking

    @contextmanager
    def add(
        self, study: str, images: Images, layers: Sequence[str], provenance: Mapping[str, Any]
    ) -> Iterator[ResultFile]:
        """Create a part with these images, to which `add_layer` adds their features.

        Parameters
        ----------
        study : name of the study: two studies that add the same images at the same time write two
            files; of two jobs of one study, the first file stays
        """
        name = _short_hash([images.nsd_id.tolist(), images.stimulus_hash.tolist(), list(layers)])
        path = self.folder / f"{study}-{name}.h5"
        with create_result(path, provenance, replace=False) as file:
            file.add("image", "image", images.nsd_id)
            file.add("shown", "image", images.stimulus_hash)
            yield file
        self.__dict__.pop("parts", None)

    def refer(self, file: ResultFile, path: Path, images: Images, layers: Sequence[str]) -> None:
        """Add layers to a study's file as references to the stored rows of these images.

        Parameters
        ----------
        file : file opened for writing, which will be moved to `path`
        """
        for layer in layers:
            name, stored = layer_array(layer), self._stored(images, layer)
            blocks = [
                Rows(part.path, name, (len(part.images), part.widths[layer]), rows, own_rows)
                for part, rows, own_rows in stored
            ]
            shape = len(images), stored[0][0].widths[layer]
            dataset = refer_to_rows(file, path, name, _dimensions(layer), shape, blocks)
            dataset.attrs[LAYER] = np.bytes_(str(layer).encode())

    def sources(self, images: Images, layers: Sequence[str]) -> list[Path]:
        """Return the parts to which `refer` refers for these images."""
        return sorted({part.path for layer in layers for part, _, _ in self._stored(images, layer)})

    def _stored(
        self, images: Images, layer: str
    ) -> list[tuple[StoredPart, np.ndarray, np.ndarray]]:
        """Return parts with a layer of images, the rows to read, and their rows in `images`.

        An image that two parts contain is read from the first.
        """
        stored, left = [], np.ones(len(images), dtype=bool)
        for part in self.parts:
            if layer in part.widths:
                own_rows, rows = images.rows_in(part.images)
                own_rows, rows = own_rows[left[own_rows]], rows[left[own_rows]]
                left[own_rows] = False
                if len(rows):
                    stored.append((part, rows, own_rows))
        return stored


def add_layer(
    file: ResultFile, layer: Layer | str, n_images: int, first: np.ndarray
) -> h5py.Dataset:
    """Add an empty array for the features of a layer, of which `first` are a first batch."""
    shape, stored = (n_images, first.shape[1]), stored_dtype(first)
    names = _dimensions(layer)
    dataset = file.add(layer_array(layer), names, shape=shape, dtype=np.float32, stored=stored)
    dataset.attrs[LAYER] = np.bytes_(str(layer).encode())
    return dataset


def stored_dtype(features: np.ndarray) -> np.dtype:
    """Choose half precision where it suffices for features like these, otherwise single precision.

    It suffices if rounding adds less than the square of `ROUNDING` to a feature's variance over
    images, on average over features, and no feature comes near the largest number.

    Parameters
    ----------
    features : (image, feature) float32
    """
    if np.abs(features).max() > LARGEST_HALF / HEADROOM:
        return np.dtype(np.float32)
    rounding = np.square(features - features.astype(np.float16)).mean(axis=0, dtype=np.float64)
    variance = features.var(axis=0, dtype=np.float64)
    # a feature that is rounded in each image alike stays constant
    varies = variance > 0
    suffices = varies.any() and (rounding[varies] / variance[varies]).mean() < ROUNDING**2
    return np.dtype(np.float16 if suffices else np.float32)


def write_features(dataset: h5py.Dataset, start: int, features: np.ndarray) -> None:
    """Write features (image, feature) from the row `start` on.

    Raises
    ------
    ValueError
        A feature is too large for half precision, although the first batch was not.
    """
    largest = np.abs(features).max()
    if dataset.dtype == np.float16 and largest > LARGEST_HALF:
        raise ValueError(
            f"{layer_of(dataset)}: a feature is {largest:.3g}, more than {HEADROOM} times those of "
            "the first images. Check that the image is no exception and the weights are whole."
        )
    dataset[start : start + len(features)] = features


def layer_array(layer: Layer | str) -> str:
    """Return the name of the array with the features of a layer."""
    return f"features_{layer}"


def layer_of(dataset: h5py.Dataset) -> str | None:
    """Return the layer whose features an array holds; None for other arrays."""
    name = dataset.attrs.get(LAYER)
    return None if name is None else name.decode()


def _dimensions(layer: Layer | str) -> tuple[str, str]:
    """Return names of dimensions; the number of features differs between layers."""
    return "image", f"feature_{layer}"


def _short_hash(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:HASH_LENGTH]


def _read_part(path: Path) -> StoredPart:
    """Read images and widths of a part; its features are verified when they are read."""
    try:
        with h5py.File(path, "r") as file:
            arrays = ((layer_of(dataset), dataset) for dataset in file.values())
            widths = {layer: dataset.shape[1] for layer, dataset in arrays if layer is not None}
            return StoredPart(path, Images(file["image"][()], file["shown"][()]), widths)
    except DAMAGED_FILE_ERRORS as error:
        raise InputError(
            f"{path}: damaged ({error}). Delete it and run snakemake again, which reports the "
            "files of studies that refer to it."
        ) from None
