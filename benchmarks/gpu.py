"""Extraction and fits on the GPU beside the CPU, and beside each device's matrix products.

    python -m benchmarks.gpu
    python -m benchmarks.gpu --images 400 --widths 64+128 --voxels 500 --extracted 16

Without a GPU, torch on the CPU takes its place. For each array library: GFLOP/s of a float32 and a
float64 matrix product, seconds of a symmetric eigendecomposition of as many features as there are,
seconds of a fit (windowed search, 20 candidates, the shipped grid of 21 penalties) and of its
refit, and images per second of an untrained ResNet-50 with all layers of the catalogue.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.banded_ridge import ALPHAS, N_FOLDS, simulated
from benchmarks.extract_features import specification, stage, write_stimuli
from encoding.ridge.backend import Array, Arrays
from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import stream_fits
from encoding.ridge.weights import stream_weights
from features.layers import Layer
from features.networks import load_network
from pipeline.fits.fit_inputs import has_gpu

N_CANDIDATES = 20
NETWORK = "resnet50"
ROWS = (
    "float32 products, GFLOP/s",
    "float64 products, GFLOP/s",
    "eigendecomposition, s",
    "fit, s",
    "refit, s",
    "extraction, images/s",
)


def seconds(arrays: Arrays, function: Callable[[], Any]) -> float:
    """Time a call until the device has finished it."""
    start = time.perf_counter()
    function()
    if arrays.device == "cuda":
        arrays.xp.cuda.synchronize()
    return time.perf_counter() - start


def product_rate(arrays: Arrays, dtype: str, size: int) -> float:
    """GFLOP/s of a square matrix product, the best of four."""
    matrix: Array = arrays.asarray(np.random.default_rng(0).standard_normal((size, size)), dtype)
    return 2e-9 * size**3 / min(seconds(arrays, lambda: matrix @ matrix) for _ in range(4))


def measure_fit(backend: str, n: int, widths: list[int], n_voxels: int) -> tuple[float, float]:
    """Seconds of a fit and of its refit; 30 % of the voxels have signal."""
    bands, responses = simulated(n, widths, n_voxels, 0.3)
    folds, candidates = np.arange(n) % N_FOLDS, draw_band_weights(len(widths), N_CANDIDATES, 0)
    options, arrays = Options(backend=backend), Arrays(backend)
    problem = Problem.of_one_model(bands, responses, folds, ALPHAS, candidates, options)
    alpha, weights = np.empty(n_voxels), np.empty((len(widths), n_voxels))

    def fit() -> None:
        for voxels, fits in stream_fits(problem):
            alpha[voxels], weights[:, voxels] = fits["model"].alpha, fits["model"].band_weights

    def refit() -> None:
        for _ in stream_weights(bands, responses, folds, alpha, weights, options):
            pass

    return seconds(arrays, fit), seconds(arrays, refit)


def extraction_rate(device: str, n_images: int, folder: Path) -> float:
    """Images per second of the extraction stage, without loading the network."""
    settings = specification(NETWORK, folder)
    network, layout = load_network(settings, device), write_stimuli(folder, n_images)
    layers = [Layer.parse(layer) for layer in settings["layers"]]
    stage(network, layout, min(8, n_images), layers, folder / "features.h5")
    start = time.perf_counter()
    stage(network, layout, n_images, layers, folder / "features.h5")
    return n_images / (time.perf_counter() - start)


def measure(backend: str, arguments: argparse.Namespace) -> list[float]:
    """Return the values of `ROWS`."""
    arrays = Arrays(backend)
    widths = [int(width) for width in arguments.widths.split("+")]
    size = sum(widths)
    square = np.random.default_rng(0).standard_normal((size, size))
    gram = arrays.asarray(square @ square.T, "float64")
    rates = [product_rate(arrays, dtype, 2 * size) for dtype in ("float32", "float64")]
    decomposition = seconds(arrays, lambda: arrays.xp.linalg.eigh(gram))
    fits = measure_fit(backend, arguments.images, widths, arguments.voxels)
    with tempfile.TemporaryDirectory() as folder:
        extraction = extraction_rate(arrays.device, arguments.extracted, Path(folder))
    return [*rates, decomposition, *fits, extraction]


def main() -> None:
    """Print a table with the ratios of the two libraries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--widths", default="512+512")
    parser.add_argument("--voxels", type=int, default=8000)
    parser.add_argument("--extracted", type=int, default=192)
    arguments = parser.parse_args()
    backends = "numpy", "torch_cuda" if has_gpu() else "torch"
    cpu, other = (measure(backend, arguments) for backend in backends)
    print(f"{arguments.images} images, {arguments.widths} features, {arguments.voxels} voxels")
    print(f"| | {backends[0]} | {backends[1]} | times faster |\n|---|---|---|---|")
    for name, slow, fast in zip(ROWS, cpu, other, strict=True):
        ratio = slow / fast if name.endswith(" s") else fast / slow
        print(f"| {name} | {slow:.3g} | {fast:.3g} | {ratio:.3g} |")


if __name__ == "__main__":
    main()
