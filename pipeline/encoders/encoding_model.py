"""Predictions of a fitted encoding model for new images and captions.

model = EncodingModel.load("results/demo/encoders/subj01/clip_rn50.safetensors")
responses = model.predict(["dog.jpg", "house.jpg"])  # (image, voxel)
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from features.networks import choose_device
from pipeline.encoders.encoder_file import read_encoder
from pipeline.encoders.stimuli import (
    EXAMPLE_CAPTION,
    Captions,
    Picture,
    StimulusFeatures,
    example_picture,
)
from pipeline.errors import InputError

# arrays that are used for predictions, and not kept twice
WEIGHTS = ("weight", "bias")
# largest difference of an example's predictions from those stored, relative to their norm
SAME_EXAMPLE = 0.01


class EncodingModel:
    """A fitted encoding model of one subject.

    Attributes
    ----------
    metadata : all that is known of the model, see `docs/encoders.md`
    arrays : {name: array} of the file but for the weights: `voxel`, `r`, `noise_ceiling`, …
    stimuli : networks, and features of stimuli
    device : device that computes predictions
    weight : (voxel, feature) float32
    bias : (voxel,) float32
    components : {feature space: (layer feature, feature) of its reduction, None without one}
    """

    def __init__(
        self,
        metadata: Mapping[str, Any],
        arrays: Mapping[str, np.ndarray],
        stimuli: StimulusFeatures,
        device: torch.device,
    ) -> None:
        self.metadata, self.stimuli, self.device = metadata, stimuli, device
        self.arrays = {name: values for name, values in arrays.items() if name not in WEIGHTS}
        self.weight, self.bias = (
            torch.from_numpy(arrays[name]).to(device, torch.float32) for name in WEIGHTS
        )
        names = [space["name"] for space in metadata["spaces"]]
        found = {name: arrays.get(f"components/{name}") for name in names}
        self.components = {
            name: None if values is None else self._tensor(values) for name, values in found.items()
        }

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        device: str = "auto",
        cache: Path | None = None,
        checkpoints: Mapping[str, str] | None = None,
    ) -> EncodingModel:
        """Read a model; its networks are loaded when they are first needed.

        Parameters
        ----------
        path : file that `snakemake encoders` wrote
        device : "auto" (CUDA, else Apple's MPS, else CPU) or a torch device
        cache : folder of the networks' downloaded weights, by default each library's own
        checkpoints : {network: path of its weights}, if they are a file that is now elsewhere

        Raises
        ------
        InputError
            The file is missing, damaged or of another version.
        """
        metadata, arrays = read_encoder(path)
        stimuli = StimulusFeatures(
            metadata["spaces"],
            metadata["image_size"],
            device=device,
            cache=cache,
            checkpoints=checkpoints,
            source=str(path),
        )
        return cls(metadata, arrays, stimuli, choose_device(device))

    # ---- predictions

    def predict(
        self,
        images: Sequence[Picture] | None = None,
        captions: Sequence[Captions] | None = None,
    ) -> np.ndarray:
        """Predict responses to new stimuli: (stimulus, voxel) float32, in the model's unit.

        It warns of stimuli that are far from the training images, see `distance`.

        Parameters
        ----------
        images : PIL images, arrays (row, column, RGB) uint8, or paths; for models of images
        captions : a text, or several, of each stimulus; for models of captions

        Raises
        ------
        InputError
            Stimuli cannot be read; a network is not that of the fit, or computes something else.
        """
        responses, distance = self.respond(images, captions)
        far = np.flatnonzero(distance > self.metadata["far"])
        if len(far):
            warnings.warn(
                self.describe_far([f"stimulus {i}" for i in far], distance[far]), stacklevel=2
            )
        return responses

    def respond(
        self,
        images: Sequence[Picture] | None = None,
        captions: Sequence[Captions] | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Predict responses (stimulus, voxel), and compute each stimulus' distance (stimulus,).

        Parameters and errors are those of `predict`; it does not warn.
        """
        self._require_example()
        return self._respond(images, captions)

    def _respond(
        self, images: Sequence[Picture] | None, captions: Sequence[Captions] | None
    ) -> tuple[np.ndarray, np.ndarray]:
        parts = [
            (self.predict_features(features), self.distance(features))
            for features in self.stimuli.batches(images, captions)
        ]
        if not parts:
            return np.empty((0, len(self.bias)), np.float32), np.empty(0)
        responses, distances = zip(*parts, strict=True)
        return np.concatenate(responses), np.concatenate(distances)

    def predict_features(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Predict responses (stimulus, voxel) from {feature space: (stimulus, feature)}.

        Features are those of the layers, neither scaled nor reduced.
        """
        with torch.no_grad():
            joined = self.reduced({name: self._tensor(one) for name, one in features.items()})
            return torch.nn.functional.linear(joined, self.weight, self.bias).cpu().numpy()

    def reduced(self, features: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Features (stimulus, feature) that weights multiply: reduced if the study did, joined."""
        parts = [
            features[name] if components is None else features[name] @ components
            for name, components in self.components.items()
        ]
        return torch.cat(parts, dim=1)

    def linear(self) -> tuple[np.ndarray, np.ndarray]:
        """Weights W (feature, voxel) and intercept b (voxel,): responses = features @ W + b.

        Features are those of the layers, side by side and neither scaled nor reduced. With a
        reduction W can be much larger than the file.
        """
        parts, start = [], 0
        for space in self.metadata["spaces"]:
            part = self.weight[:, start : start + space["features"]].T
            components = self.components[space["name"]]
            parts.append(part if components is None else components @ part)
            start += space["features"]
        return torch.cat(parts).cpu().numpy(), self.bias.cpu().numpy()

    def distance(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Distance (stimulus,) of features from the mean of the training images.

        It is Euclidean, over features that are reduced and scaled as for the fit, divided by the
        square root of the number of spaces. With scaling `zscore` its mean square over the training
        images is 1. `metadata["far"]` is the 99th percentile over the training images.
        """
        with torch.no_grad():
            joined = self.reduced({name: self._tensor(one) for name, one in features.items()})
        values = joined.cpu().numpy().astype(np.float64)
        scaled = (values - self.arrays["feature_mean"]) * self.arrays["feature_factor"]
        return np.linalg.norm(scaled, axis=1) / np.sqrt(len(self.metadata["spaces"]))

    def describe_far(self, names: Sequence[str], distance: np.ndarray) -> str:
        """Write the warning about stimuli that are far from the training images."""
        listed = ", ".join(f"{n} ({d:.2f})" for n, d in zip(names[:5], distance[:5], strict=True))
        more = f" and {len(names) - 5} others" if len(names) > 5 else ""
        return (
            f"farther from the mean training image than 99 % of the training images are "
            f"({self.metadata['far']:.2f}), so that predictions extrapolate: {listed}{more}"
        )

    def region(self, name: str) -> np.ndarray:
        """Find the voxels of a region: (voxel,) bool.

        Parameters
        ----------
        name : `V1v`, `prf-visualrois/V1v`, or the id of one voxel

        Raises
        ------
        InputError
            There is no such region or voxel, or several collections have that region.
        """
        if name.isdigit():
            inside = self.arrays["voxel"] == int(name)
            if not inside.any():
                raise InputError(f"voxel {name}: not in this model")
            return inside
        regions = [f"{atlas}/{roi}" for atlas, roi in self.metadata["regions"]]
        found = [row for row, known in enumerate(regions) if name in (known, known.split("/")[1])]
        if len(found) != 1:
            reason = "several collections have it" if found else "not in this model"
            raise InputError(f"region {name}: {reason}. Choose among {', '.join(regions)}")
        return self.arrays["region"][found[0]]

    # ---- gradients

    def pixels(self, images: Sequence[Picture]) -> torch.Tensor:
        """Prepare images as their network takes them: the input of `module`."""
        network, _ = self._of_images()
        shown = [self.stimuli.as_shown(one) for one in images]
        (pixels,) = network.preprocess([Image.fromarray(one) for one in shown]).values()
        return pixels.to(self.device)

    def module(self) -> VoxelResponses:
        """Make a module that predicts from `pixels` and lets gradients pass to them.

        Raises
        ------
        InputError
            The model is not of one network of images.
        """
        self._of_images()
        self._require_example()
        return VoxelResponses(self)

    def _of_images(self) -> tuple[Any, str]:
        if self.stimuli.kinds != {"image"} or len(self.stimuli.networks) != 1:
            raise InputError(f"{self.stimuli.source}: the model is not of one network of images")
        ((name, network),) = self.stimuli.networks.items()
        return network, name

    # ---- parts

    def _require_example(self) -> None:
        """Raise unless the example's predictions are those that the study's computer made."""
        if "_verified" in self.__dict__:
            return
        kinds, size = self.stimuli.kinds, self.stimuli.image_size
        images = [example_picture(size)] if "image" in kinds and size else None
        captions = [EXAMPLE_CAPTION] if "captions" in kinds else None
        found, expected = self._respond(images, captions)[0][0], self.arrays["example"]
        apart = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        if not apart < SAME_EXAMPLE:
            raise InputError(
                f"{self.stimuli.source}: predictions for the generated example differ from those "
                f"in the file by {apart:.1%} of their norm. A library computes something else than "
                "when the model was fitted; install the versions in `provenance` of its metadata."
            )
        self.__dict__["_verified"] = True

    def _tensor(self, values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, np.float32)).to(self.device)


class VoxelResponses(torch.nn.Module):
    """Responses (image, voxel) to pixels (image, channel, row, column), with gradients.

    Pixels are those of `EncodingModel.pixels`: resized, cropped and normalised for the network.
    """

    def __init__(self, model: EncodingModel) -> None:
        super().__init__()
        self.network, name = model._of_images()
        self.network.module.requires_grad_(False)
        self.model, self.layers = model, model.stimuli.layers(name)
        example = example_picture(model.stimuli.image_size or (1, 1))
        (self.key,) = self.network.preprocess([Image.fromarray(example)])

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Predict responses."""
        found = self.network.tensors({self.key: pixels}, self.layers)
        named = {str(layer): values for layer, values in found.items()}
        features = {
            space["name"]: torch.cat([named[layer] for layer in space["layers"]], dim=1)
            for space in self.model.metadata["spaces"]
        }
        return torch.nn.functional.linear(
            self.model.reduced(features), self.model.weight, self.model.bias
        )
