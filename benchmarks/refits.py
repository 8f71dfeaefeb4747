"""Time of a fit beside that of its refit, by which predictions are made again.

    python -m benchmarks.refits
    python -m benchmarks.refits --images 500 --widths 64+128 --voxels 300

The fit is the windowed search of 20 candidates and the shipped grid of 21 penalties. The refit
takes its penalties and band weights, as they are stored, and predicts as many test images as NSD
has. CPU seconds are comparable where other programs run at the same time.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from benchmarks.banded_ridge import ALPHAS, N_FOLDS, simulated
from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import stream_fits
from encoding.ridge.weights import stream_weights

TEST_IMAGES = 1000
N_CANDIDATES = 20


class Clock:
    """Wall and CPU seconds of a block."""

    def __enter__(self) -> Clock:
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self.wall, self.cpu = time.perf_counter() - self.wall, time.process_time() - self.cpu


def main() -> None:
    """Print the times, their ratio, and how far predictions are apart."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=4000)
    parser.add_argument("--widths", default="1024+2048")
    parser.add_argument("--voxels", type=int, default=4000)
    parser.add_argument("--signal", type=float, default=0.3)
    parser.add_argument("--backend", default="numpy")
    arguments = parser.parse_args()
    widths = [int(width) for width in arguments.widths.split("+")]
    n, options = arguments.images, Options(backend=arguments.backend)
    bands, responses = simulated(n + TEST_IMAGES, widths, arguments.voxels, arguments.signal)
    training = {name: band[:n] for name, band in bands.items()}
    test = {name: band[n:] for name, band in bands.items()}
    folds, candidates = np.arange(n) % N_FOLDS, draw_band_weights(len(widths), N_CANDIDATES, 0)
    problem = Problem.of_one_model(training, responses[:n], folds, ALPHAS, candidates, options)

    fitted = np.empty((TEST_IMAGES, arguments.voxels), np.float32)
    alpha = np.empty(arguments.voxels, np.float32)
    band_weights = np.empty((len(widths), arguments.voxels), np.float32)
    with Clock() as of_fit:
        for voxels, fits in stream_fits(problem):
            fit = fits["model"]
            fitted[:, voxels] = fit.predict(test)
            alpha[voxels], band_weights[:, voxels] = fit.alpha, fit.band_weights
    refitted = np.empty_like(fitted)
    with Clock() as of_refit:
        for found in stream_weights(training, responses[:n], folds, alpha, band_weights, options):
            refitted[:, found.voxels] = found.predict(test)

    n_picked = len(np.unique(np.vstack([alpha, band_weights]), axis=1).T)
    apart = np.linalg.norm(refitted - fitted, axis=0) / np.linalg.norm(fitted, axis=0)
    print(f"{n} images, {arguments.widths} features, {arguments.voxels} voxels,")
    print(f"{arguments.signal:.0%} with signal; {n_picked} pairs of candidate and penalty picked")
    print("| | seconds | CPU seconds |\n|---|---|---|")
    print(f"| fit | {of_fit.wall:.1f} | {of_fit.cpu:.1f} |")
    print(f"| refit and prediction | {of_refit.wall:.1f} | {of_refit.cpu:.1f} |")
    print(f"| ratio | {of_refit.wall / of_fit.wall:.3f} | {of_refit.cpu / of_fit.cpu:.3f} |")
    print(f"predictions apart by at most {apart.max():.1e} of a voxel's norm")


if __name__ == "__main__":
    main()
