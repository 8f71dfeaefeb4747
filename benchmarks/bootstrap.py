"""The paired bootstrap against the plain loop.

    python -m benchmarks.bootstrap draws

2,000 draws of 1,000 test images, 15,000 voxels, three models, in blocks of voxels of which
only intervals are kept, as the stage does it; each draw gives R² and r. The loop draws the rows of
responses and predictions and recomputes R² of every model for each draw, or R² and r; it does so
for `--loop-draws` draws, and its time is extrapolated to all of them. Methods run in processes of
their own, in turn, several times; the fastest is shown.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

import numpy as np

from encoding.inference.bootstrap import bootstrap_scores, draw_images, interval
from pipeline.fits.predicted_images import VOXELS_PER_BLOCK

N_DRAWS, N_IMAGES, N_VOXELS, MODELS = 2000, 1000, 15_000, ("A", "B", "A+B")


def responses() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Measured and predicted (image, voxel) float32."""
    random = np.random.default_rng(0)
    measured = random.standard_normal((N_IMAGES, N_VOXELS), np.float32)
    predicted = {
        model: np.float32(0.3) * measured
        + np.float32(0.5) * random.standard_normal(measured.shape, np.float32)
        for model in MODELS
    }
    return measured, predicted


def by_products(measured: np.ndarray, predicted: dict[str, np.ndarray], n_draws: int) -> np.ndarray:
    """Lower ends of the intervals (model, voxel)."""
    counts = draw_images(N_IMAGES, n_draws, 0)
    lower = np.empty((len(MODELS), N_VOXELS))
    for start in range(0, N_VOXELS, VOXELS_PER_BLOCK):
        here = slice(start, start + VOXELS_PER_BLOCK)
        part = {model: values[:, here] for model, values in predicted.items()}
        draws = bootstrap_scores(measured[:, here], part, counts)
        lower[:, here] = [interval(draws.r2[model])[0] for model in MODELS]
    return lower


def by_loop(measured: np.ndarray, predicted: dict[str, np.ndarray], n_draws: int) -> np.ndarray:
    """R² of every draw (draw, model, voxel)."""
    r2 = []
    for y, drawn in _draws(measured, predicted, n_draws):
        total = y.var(axis=0)
        r2.append([1 - ((y - values) ** 2).mean(axis=0) / total for values in drawn])
    return np.array(r2)


def by_loop_with_r(
    measured: np.ndarray, predicted: dict[str, np.ndarray], n_draws: int
) -> np.ndarray:
    """R² and r of every draw (draw, model, score, voxel)."""
    scores = []
    for y, drawn in _draws(measured, predicted, n_draws):
        centred, total = y - y.mean(axis=0), y.var(axis=0)
        of_models = []
        for values in drawn:
            products = np.mean(centred * (values - values.mean(axis=0)), axis=0)
            r2 = 1 - ((y - values) ** 2).mean(axis=0) / total
            of_models.append([r2, products / np.sqrt(total * values.var(axis=0))])
        scores.append(of_models)
    return np.array(scores)


def _draws(
    measured: np.ndarray, predicted: dict[str, np.ndarray], n_draws: int
) -> Iterator[tuple[np.ndarray, list[np.ndarray]]]:
    random = np.random.default_rng(0)
    for _ in range(n_draws):
        rows = random.integers(0, N_IMAGES, N_IMAGES)
        yield measured[rows], [predicted[model][rows] for model in MODELS]


METHODS = {
    "products, R² and r": by_products,
    "loop, R²": by_loop,
    "loop, R² and r": by_loop_with_r,
}


def measure(method: str, n_draws: int) -> dict[str, float]:
    """One run, in this process; the peak is that of the work, without what it is given."""
    measured, predicted = responses()
    given = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start, cpu = time.perf_counter(), time.process_time()
    METHODS[method](measured, predicted, n_draws)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    to_gigabytes = 1024 / 1e9
    return {
        "seconds": seconds,
        "cpu": cpu,
        "peak": peak * to_gigabytes,
        "given": given * to_gigabytes,
    }


def in_child(method: str, n_draws: int) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.bootstrap", "measure", method, str(n_draws)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def draws(arguments: argparse.Namespace) -> None:
    found: dict[str, dict[str, float]] = {}
    n_draws = {m: arguments.loop_draws if "loop" in m else N_DRAWS for m in METHODS}
    for _ in range(arguments.rounds):
        for method, n in n_draws.items():
            result = in_child(method, n)
            result |= {key: result[key] * N_DRAWS / n for key in ("seconds", "cpu")}
            if method not in found or result["seconds"] < found[method]["seconds"]:
                found[method] = result
    print(
        "| method | draws | seconds of 2,000 | CPU seconds | peak GB | of it responses and "
        "predictions | × faster | × less CPU |"
    )
    print("|---" * 8 + "|")
    own = next(iter(found.values()))
    for method, result in found.items():
        ratios = [result[key] / own[key] for key in ("seconds", "cpu")]
        print(
            f"| {method} | {n_draws[method]} | {result['seconds']:.1f} | {result['cpu']:.1f} | "
            f"{result['peak']:.2f} | {result['given']:.2f} | {ratios[0]:.0f} | {ratios[1]:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, dest="command")
    drawn = commands.add_parser("draws")
    drawn.add_argument("--loop-draws", type=int, default=20)
    drawn.add_argument("--rounds", type=int, default=3, help="the fastest is shown")
    child = commands.add_parser("measure")
    child.add_argument("method", choices=METHODS)
    child.add_argument("n_draws", type=int)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        print(json.dumps(measure(arguments.method, arguments.n_draws)))
        return
    draws(arguments)


if __name__ == "__main__":
    main()
