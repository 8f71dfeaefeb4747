"""Features of new images and captions, made as the study made those of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from features.extraction import caption_features, image_features
from features.layers import Layer
from features.networks import Network, load_network
from pipeline.errors import InputError

STIMULI_PER_BATCH = 16
# properties of a network that must be those with which the model was fitted
SAME = ("architecture", "weights_sha256", "preprocessing", "activations")
EXAMPLE_CAPTION = "A brown dog runs across a field of green grass."

Picture = Image.Image | np.ndarray | Path | str
Captions = str | Sequence[str]


def example_picture(size: tuple[int, int]) -> np.ndarray:
    """Generate the picture (row, column, RGB) uint8 whose predictions every encoder has."""
    row, column = np.mgrid[: size[0], : size[1]]
    channels = (2 * row + column, row + 3 * column, row * column // 64)
    return (np.stack(channels, axis=-1) % 256).astype(np.uint8)


def as_shown(picture: Picture, size: tuple[int, int]) -> np.ndarray:
    """Turn a picture into one like those of the study: (row, column, RGB) uint8.

    It is cropped to the largest centred part of the proportions of `size` and resized (bicubic),
    unless it has that size.

    Parameters
    ----------
    picture : a PIL image, an array (row, column, RGB) uint8, or the path of a file
    size : (rows, columns) of the study's pictures

    Raises
    ------
    InputError
        The file cannot be read, or the array has another shape or type.
    """
    if isinstance(picture, np.ndarray):
        if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
            raise InputError(
                f"a picture is {picture.dtype} {picture.shape}: give uint8 (row, column, RGB)"
            )
        image = Image.fromarray(picture)
    elif isinstance(picture, Image.Image):
        image = picture
    else:
        try:
            image = Image.open(picture)
            image.load()
        except OSError as error:
            raise InputError(f"{picture}: no readable picture ({error})") from None
    image = ImageOps.exif_transpose(image).convert("RGB")
    if (image.height, image.width) == tuple(size):
        return np.asarray(image)
    return np.asarray(ImageOps.fit(image, (size[1], size[0]), Image.Resampling.BICUBIC))


class StimulusFeatures:
    """Features of images and captions in the spaces of a model.

    Networks are loaded when they are first needed. They are refused if they are not those with
    which the model was fitted.

    Parameters
    ----------
    spaces : descriptions of the feature spaces, `spaces` in an encoder's metadata
    image_size : (rows, columns) of the study's pictures; None if no space is of images
    device : see `features.networks.load_network`
    cache : folder of downloaded weights; by default each library's own
    checkpoints : {network: path of its weights}, if they are a file that is now elsewhere
    source : name of the encoder, for messages
    """

    def __init__(
        self,
        spaces: Sequence[Mapping[str, Any]],
        image_size: Sequence[int] | None,
        *,
        device: str = "auto",
        cache: Path | None = None,
        checkpoints: Mapping[str, str] | None = None,
        source: str = "",
    ) -> None:
        self.spaces, self.source = spaces, source
        self.image_size = None if image_size is None else (image_size[0], image_size[1])
        self.device, self.cache, self.checkpoints = device, cache, checkpoints or {}

    @property
    def kinds(self) -> set[str]:
        """Kinds of stimuli that the model takes: "image", "captions" or both."""
        return {space["network"]["stimulus"] for space in self.spaces}

    @cached_property
    def networks(self) -> dict[str, Network]:
        """Networks by name, loaded and verified.

        Raises
        ------
        InputError
            One cannot be loaded, or has other weights or another preprocessing.
        """
        described = {space["network"]["name"]: space for space in self.spaces}
        return {name: self._load(name, space) for name, space in described.items()}

    def _load(self, name: str, space: Mapping[str, Any]) -> Network:
        specification = dict(space["network"])
        if name in self.checkpoints:
            specification["weights"] = self.checkpoints[name]
        try:
            network = load_network(specification, self.device, self.cache)
        except ValueError as error:
            raise InputError(
                f"{self.source}: its network {name} cannot be loaded: {error}"
            ) from error
        found, fitted = network.identity(), space["identity"]
        for key in SAME:
            if found[key] != fitted[key]:
                raise InputError(
                    f"{self.source}: the {key} of its network {name} is {found[key]} here, and was "
                    f"{fitted[key]} when the model was fitted. Predictions would be wrong; install "
                    f"the versions that made the encoder, or give the weights it was fitted with."
                )
        return network

    def layers(self, network: str) -> list[Layer]:
        """List the layers of a network that the spaces consist of."""
        own = [space["layers"] for space in self.spaces if space["network"]["name"] == network]
        return [
            Layer.parse(name) for name in dict.fromkeys(name for names in own for name in names)
        ]

    def batches(
        self, images: Sequence[Picture] | None, captions: Sequence[Captions] | None
    ) -> Iterator[dict[str, np.ndarray]]:
        """Yield {feature space: (stimulus, feature) float32} of some stimuli at a time.

        Parameters
        ----------
        images, captions : see `EncodingModel.predict`

        Raises
        ------
        InputError
            Images or captions are lacking or are not used, or cannot be read.
        """
        given = {"image": images, "captions": captions}
        stimuli = {kind: values for kind, values in given.items() if values is not None}
        if set(stimuli) != self.kinds:
            words = {"image": "images", "captions": "captions"}
            needed = " and ".join(words[kind] for kind in sorted(self.kinds, reverse=True))
            raise InputError(f"{self.source}: the model takes {needed}; give these and no others")
        numbers = {len(values) for values in stimuli.values()}
        if len(numbers) > 1:
            raise InputError(f"{len(images or [])} images and {len(captions or [])} captions")
        streams = [self._stream(name, network, stimuli) for name, network in self.networks.items()]
        try:
            for parts in zip(*streams, strict=True):
                found = dict(zip(self.networks, parts, strict=True))
                yield {space["name"]: self._joined(space, found) for space in self.spaces}
        except ValueError as error:
            raise InputError(f"{self.source}: {error}") from error

    def _stream(
        self, name: str, network: Network, stimuli: Mapping[str, Sequence[Any]]
    ) -> Iterator[dict[Layer, np.ndarray]]:
        """Yield {layer: features} of batches."""
        (kind,) = {
            space["network"]["stimulus"]
            for space in self.spaces
            if space["network"]["name"] == name
        }
        values, layers = stimuli[kind], self.layers(name)
        parts = (
            values[start : start + STIMULI_PER_BATCH]
            for start in range(0, len(values), STIMULI_PER_BATCH)
        )
        if kind == "image":
            shown = (np.stack([self.as_shown(picture) for picture in part]) for part in parts)
            return image_features(network, shown, layers)
        texts = ([[one] if isinstance(one, str) else list(one) for one in part] for part in parts)
        return caption_features(network, texts, layers)

    def as_shown(self, picture: Picture) -> np.ndarray:
        """Turn a picture into one like those of the study, see `as_shown`."""
        assert self.image_size is not None
        return as_shown(picture, self.image_size)

    def _joined(
        self, space: Mapping[str, Any], found: Mapping[str, Mapping[Layer, np.ndarray]]
    ) -> np.ndarray:
        """Features of a space: its layers side by side."""
        of_network = found[space["network"]["name"]]
        return np.hstack([of_network[Layer.parse(name)] for name in space["layers"]])
