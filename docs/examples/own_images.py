"""Features of a folder of pictures, with the package `features` alone.

    python docs/examples/own_images.py FOLDER features.npz

Change `NETWORK` and `LAYERS` as you like; see docs/own_network.md.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

from features.extraction import image_features
from features.layers import Layer
from features.networks import load_network

NETWORK = {
    "library": "open_clip",
    "architecture": "RN50-quickgelu",
    "stimulus": "image",
    # "pretrained" downloads the weights; these are random, so that it runs without internet
    "weights": "untrained",
    "seed": 0,
}
LAYERS = [Layer("embedding"), Layer("layer?", "mean")]
SIZE = (425, 425)

folder, out = Path(sys.argv[1]), Path(sys.argv[2])
paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in (".jpg", ".png"))
network = load_network(NETWORK)
pictures = (np.asarray(Image.open(path).convert("RGB").resize(SIZE))[None] for path in paths)
batches = list(image_features(network, pictures, LAYERS))
features = {str(layer): np.concatenate([batch[layer] for batch in batches]) for layer in batches[0]}
np.savez(out, names=[path.name for path in paths], **features)
print({layer: values.shape for layer, values in features.items()})
