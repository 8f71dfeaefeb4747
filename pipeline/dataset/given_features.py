"""Checks of features that were given as files, against the images of a study."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from features.feature_files import FeatureFile, FeatureFileError, in_words, open_features
from features.layers import Layer
from pipeline.dataset.images import Images
from pipeline.dataset.stimulus_readers import NUMBERINGS
from pipeline.errors import InputError


def check_given_features(
    images: Images,
    nsd_id: np.ndarray,
    networks: Mapping[str, Mapping[str, Any]],
    layers: Mapping[str, Sequence[str]],
) -> list[str]:
    """Check that files have finite features, which vary, of all images of a study.

    Parameters
    ----------
    nsd_id : (image,) of the study
    networks : {network: its specification}, of given features
    layers : {network: layers that are used}

    Returns
    -------
    Warnings, for example of columns that are the same for every image.

    Raises
    ------
    InputError
        The message names the network, the file and how to correct it.
    """
    warnings = []
    for name, specification in networks.items():
        try:
            file = open_features(specification)
            ids = _ids_of_images(images, nsd_id, file, specification["stimulus"])
            for layer in file.matching(map(Layer.parse, layers[name])):
                if constant := _constant_columns(file, layer, ids):
                    warnings.append(f"networks.{name}: {constant}")
        except FeatureFileError as error:
            raise InputError(f"networks.{name}: {error}") from None
    return warnings


def _ids_of_images(images: Images, nsd_id: np.ndarray, file: FeatureFile, kind: str) -> np.ndarray:
    """Return the ids (image,) of the study's images in a file, which must have them all."""
    known = images.ids(kind)
    outside = np.setdiff1d(file.ids, known)
    # COCO has more images than NSD; NSD's own numbers may be confused, those of other datasets not
    if len(outside) and kind != "coco_id" and len(_numberings(images)) > 1:
        raise FeatureFileError(
            f"{file.path}: {len(outside)} of its {len(file.ids)} ids ({in_words(outside)}) are no "
            f"{kind}, which are {known.min()} to {known.max()}. {_hint(images, nsd_id, file, kind)}"
        )
    lacking = known[nsd_id][~np.isin(known[nsd_id], file.ids)]
    if len(lacking):
        raise FeatureFileError(
            f"{file.path}: lacks {len(lacking)} of the study's {len(nsd_id)} images ({kind} "
            f"{in_words(lacking)}). {_hint(images, nsd_id, file, kind)}"
        )
    return known[nsd_id]


def _hint(images: Images, nsd_id: np.ndarray, file: FeatureFile, kind: str) -> str:
    """Suggest the numbering in which a file has every image of the study, if there is one."""
    for other, ids in _numberings(images).items():
        if other != kind and np.isin(ids[nsd_id], file.ids).all():
            return f"With `ids: {other}` it has every image of the study: correct `ids`"
    return "Add the rows, or correct `ids`"


def _numberings(images: Images) -> Mapping[str, np.ndarray]:
    """Return {numbering: ids (image,)} of those that a dataset has."""
    found = {}
    for kind in NUMBERINGS:
        with contextlib.suppress(InputError):
            found[kind] = images.ids(kind)
    return found


def _constant_columns(file: FeatureFile, layer: str, ids: np.ndarray) -> str:
    """Describe the columns of an array that are the same for every image, if there are any.

    Raises
    ------
    FeatureFileError
        All columns are, or a value is not finite.
    """
    where, first, varies = f"{file.path}: {layer}", None, np.zeros(0, bool)
    for here, values in file.blocks(layer, ids):
        wrong = ~np.isfinite(values)
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            raise FeatureFileError(
                f"{where} has NaN or infinite values, first in column {column} of the image "
                f"{here[row]}; compute these features again, or leave the column out"
            )
        if first is None:
            first, varies = values[0], np.zeros(values.shape[1], bool)
        varies |= (values != first).any(axis=0)
    constant = np.count_nonzero(~varies)
    if constant == len(varies):
        raise FeatureFileError(
            f"{where}: no column varies over the images of the study; choose another array or file"
        )
    if not constant:
        return ""
    return f"{where}: {constant} of {len(varies)} columns are the same for every image"
