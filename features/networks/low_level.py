"""A space without learning: energy of oriented Gabor filters, and mean colour, over the picture.

Quadrature pairs of Gabor filters of several orientations, over a pyramid of scales (Adelson &
Bergen 1985, J Opt Soc Am A; as voxelwise models of early visual cortex since Kay et al. 2008,
Nature), their energy averaged over a grid, on a logarithmic scale.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from features.networks.base import Inputs, Network, require_images

WEIGHTS, TAGGED = ("none",), ()
SIZE = 128
ORIENTATIONS = 8
# pixels of the picture; from one to the next the picture is halved
WAVELENGTHS = (4, 8, 16, 32)
ENERGY_GRID, COLOUR_GRID = 8, 4
# filters reach as far as three standard deviations of their envelope, which is half a wavelength
REACH = 1.5
LUMINANCE = (0.2126, 0.7152, 0.0722)


class GaborEnergy(torch.nn.Module):
    """(image, 3, 128, 128) in [0, 1] -> energy and colour, (image, feature)."""

    luminance: torch.Tensor
    bank: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("luminance", torch.tensor(LUMINANCE)[None, :, None, None])
        self.register_buffer("bank", gabor_bank(WAVELENGTHS[0]))

    def forward(self, images: torch.Tensor) -> dict[str, torch.Tensor]:
        """Compute the layers of images."""
        grey = (images * self.luminance).sum(dim=1, keepdim=True)
        grey = grey - grey.mean(dim=(2, 3), keepdim=True)
        energies = []
        for _ in WAVELENGTHS:
            filtered = torch.nn.functional.conv2d(grey, self.bank, padding="same")
            even, odd = filtered[:, ::2], filtered[:, 1::2]
            energy = torch.sqrt(even**2 + odd**2 + 1e-12)
            energies.append(torch.nn.functional.adaptive_avg_pool2d(energy, ENERGY_GRID))
            grey = torch.nn.functional.avg_pool2d(grey, 2)
        energy = torch.log1p(torch.cat(energies, dim=1).flatten(start_dim=1))
        colour = torch.nn.functional.adaptive_avg_pool2d(images, COLOUR_GRID).flatten(start_dim=1)
        return {"energy": energy, "colour": colour, "embedding": torch.cat([energy, colour], dim=1)}


def gabor_bank(wavelength: float) -> torch.Tensor:
    """Even and odd filters in turn: (2 × orientation, 1, side, side), of mean 0 and unit norm."""
    reach = math.ceil(REACH * wavelength)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    envelope = np.exp(-(x**2 + y**2) / (2 * (wavelength / 2) ** 2))
    filters = []
    for number in range(ORIENTATIONS):
        angle = np.pi * number / ORIENTATIONS
        phase = 2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / wavelength
        for wave in (np.cos(phase), np.sin(phase)):
            gabor = envelope * wave
            # an even filter must not answer to brightness
            gabor -= envelope * gabor.sum() / envelope.sum()
            filters.append(gabor / np.linalg.norm(gabor))
    return torch.tensor(np.array(filters)[:, None], dtype=torch.float32)


def architectures() -> list[str]:
    """List the names of architectures."""
    return ["gabor_energy"]


def check(specification: Mapping[str, Any]) -> None:
    """Raise ValueError for another stimulus than images."""
    require_images(specification)


def load(
    specification: Mapping[str, Any], local: Path | None, device: torch.device, cache: Path | None
) -> Network:
    """See `features.networks.load_network`. There is nothing to train: weights are `none`."""
    module = GaborEnergy()

    def preprocess(images: Sequence[Image.Image]) -> Inputs:
        small = [image.resize((SIZE, SIZE), Image.Resampling.BILINEAR) for image in images]
        pixels = np.stack([np.asarray(image, dtype=np.float32) for image in small]) / 255
        return {"image": torch.from_numpy(pixels).permute(0, 3, 1, 2)}

    def forward(inputs: Inputs) -> dict[str, torch.Tensor]:
        return module(inputs["image"])

    return Network(
        name="gabor_energy",
        module=module,
        device=device,
        preprocess=preprocess,
        preprocessing=f"resized to {SIZE} × {SIZE} (bilinear), in [0, 1]",
        forward=forward,
        outputs=("energy", "colour", "embedding"),
    )
