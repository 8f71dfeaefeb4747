"""Architectures of timm whose features are through this project those that timm itself gives.

    python -m benchmarks.timm_architectures

A small architecture that has released weights, of each of timm's model families (modules of
`timm.models`). A checkpoint is fabricated (drawn with a seed, saved as a file) and loaded under
the tag of the release; the features before the classifier and the preprocessing of a picture are
compared with timm's own.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import timm
import torch
from PIL import Image

from features.layers import Layer
from features.networks import load_network

LARGEST_ERROR = 1e-4
FEWEST_PIXELS, MOST_PIXELS = 32, 300
MOST_PARAMETERS, MOST_TRIED = 60e6, 5
SMALL = ("atto", "femto", "pico", "nano", "tiny", "small", "_s", "18", "050", "lite")


def small_one_of_each_family() -> Iterator[tuple[str, str]]:
    """(family, architecture), the first by its name's words that is small enough to be tried."""
    for family in timm.list_modules():
        names = [name for name in timm.list_models(module=family) if _is_tried(name)]
        names.sort(key=lambda name: (not any(word in name for word in SMALL), len(name), name))
        for name in names[:MOST_TRIED]:
            if _n_parameters(name) < MOST_PARAMETERS:
                yield family, name
                break


def _is_tried(architecture: str) -> bool:
    """Test whether there are released weights, for pictures that are not too large."""
    configuration = timm.get_pretrained_cfg(architecture)
    side = configuration.input_size[1] if configuration else 0
    released = timm.list_pretrained(f"{architecture}.*")
    return bool(released) and FEWEST_PIXELS <= side <= MOST_PIXELS


def _n_parameters(architecture: str) -> int:
    """Count parameters without allocating them; some networks need values while they are built."""
    try:
        with torch.device("meta"):
            model = timm.create_model(architecture)
    # what timm raises for networks that read values of parameters which "meta" does not have
    except (RuntimeError, NotImplementedError):
        model = timm.create_model(architecture)
    return sum(parameter.numel() for parameter in model.parameters())


def relative_error(architecture: str) -> float:
    """Largest difference of the features, relative to the largest feature."""
    tag = timm.get_pretrained_cfg(architecture).tag
    torch.manual_seed(0)
    own = timm.create_model(f"{architecture}.{tag}").eval()
    transform = timm.data.create_transform(**timm.data.resolve_model_data_config(own))
    pixels = np.random.default_rng(0).integers(0, 256, (425, 425, 3), np.uint8)
    picture = Image.fromarray(pixels)
    with torch.inference_mode():
        seen = own.forward_features(transform(picture)[None])
        expected = own.forward_head(seen, pre_logits=True).flatten(1).numpy()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "weights.pt"
        torch.save(own.state_dict(), path)
        settings = {"library": "timm", "architecture": architecture, "stimulus": "image"}
        settings |= {"weights": str(path), "pretrained_tag": tag}
        network = load_network(settings, "cpu")
    layer = Layer("embedding")
    found = network.run(network.preprocess([picture]), [layer])[layer]
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def main() -> None:
    equal, tried = 0, 0
    for family, architecture in small_one_of_each_family():
        began = time.monotonic()
        try:
            error = relative_error(architecture)
            result = f"relative error {error:.0e}"
            same = error < LARGEST_ERROR
        except (ValueError, RuntimeError, TypeError, AttributeError) as problem:
            result, same = f"{type(problem).__name__}: {problem}", False
        tried, equal = tried + 1, equal + same
        seconds = time.monotonic() - began
        said = "equal" if same else "DIFFER"
        print(f"{family:24} {architecture:36} {result:50.300} {said} {seconds:5.1f} s", flush=True)
    print(f"{equal} of {tried} families: features equal timm's own")


if __name__ == "__main__":
    main()
