"""Wall time and peak memory of banded ridge, this project's and others', in one table of ratios.

    python -m benchmarks.banded_ridge compare --widths 512+512 1024+2048 --signal 0.3 0
    python -m benchmarks.banded_ridge grid
    python -m benchmarks.banded_ridge memory --cortex-voxels 200000

`compare`: n = 4,000 images, 5 folds, the shipped grid of 21 penalties and 20 candidates for the
band weights; `--signal` is the share of voxels that answer to the features, others hold noise.
himalaya's GroupRidgeCV runs `--timed` of the candidates, its time is multiplied up to all of them,
and marked. `grid`: one subject's nsdgeneral (15,724 voxels, 8,500 images), three bands of 512, all
7 subsets, 20 candidates each. `memory`: a cortex streamed from disk, 8,500 images, 3,000 features
in three bands; peak memory of the process beside the budget, and the time of what was searched.
How the searches' picks agree is measured by `benchmarks.search_agreement`.

On a shared machine wall times wander: all of `--rounds` are printed, methods in turn, and CPU
seconds stand beside. Every method runs in a process of its own, so that its peak memory is its own;
responses and features count for all. The floor is the time that the machine's float32 matrix
product, measured in the same process, would take for the products of the exact search: 2 r p for
each penalty and 2 p² for c, for each voxel, candidate and fold; r = min(validation images, p).
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable

import h5py
import numpy as np
from threadpoolctl import threadpool_info

from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import stream_fits
from encoding.variance_partitioning import model_name, subsets

# of config/nsd.yaml
ALPHAS = np.logspace(-5, 5, 21)
N_FOLDS = 5
NATIVE = {"native exact": "exact", "native windowed": "windowed"}

SHARES = ("own exact", "own exact torch")
COLUMNS = (
    "features",
    "voxels",
    "signal",
    "method",
    "seconds, all rounds",
    "CPU seconds",
    "× faster than GroupRidge",
    "share of the floor",
    "sgemm GFLOP/s",
    "peak GB",
    "mean CV R²",
)


def simulated(
    n: int, widths: list[int], n_voxels: int, signal_share: float = 1.0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Bands with power-law spectra and unit trace, and responses that mix them, float32.

    `signal_share` of the voxels answer to the features, the others are noise.
    """
    generator = np.random.default_rng(0)
    bands, signal = {}, np.zeros((n, n_voxels), np.float32)
    for place, width in enumerate(widths):
        latent = generator.standard_normal((n, width), np.float32)
        latent *= np.arange(1, width + 1, dtype=np.float32) ** -0.5
        mixing = np.linalg.qr(generator.standard_normal((width, width)))[0]
        band = latent @ mixing.astype(np.float32)
        band /= np.sqrt(np.mean(np.sum(band**2, axis=1)))
        share = generator.uniform(0, 1, n_voxels).astype(np.float32)
        weights = generator.standard_normal((width, n_voxels), np.float32)
        signal += share * (band @ weights)
        bands["ABCD"[place]] = band
    signal *= 0.5 * (generator.uniform(size=n_voxels) < signal_share)
    signal += generator.standard_normal(signal.shape, np.float32)
    return bands, signal


def sgemm_rate() -> float:
    """FLOP/s of a large float32 product, the best of four."""
    generator = np.random.default_rng(0)
    left = generator.standard_normal((2000, 3000), np.float32)
    right = generator.standard_normal((3000, 3000), np.float32)
    seconds = []
    for _ in range(4):
        start = time.perf_counter()
        left @ right
        seconds.append(time.perf_counter() - start)
    return 2 * 2000 * 3000 * 3000 / min(seconds)


def floor_flops(n: int, sizes: list[int], n_voxels: int) -> float:
    """Products of the exact search over candidates with these many active features."""
    held = n // N_FOLDS
    per_voxel = [2 * p * (len(ALPHAS) * min(held, p) + p) for p in sizes]
    return N_FOLDS * n_voxels * float(sum(per_voxel))


def native(search: str, backend: str = "numpy") -> Callable[..., float]:
    def run(bands: dict, responses: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> float:
        options = Options(search=search, backend=backend)
        problem = Problem.of_one_model(bands, responses, folds, ALPHAS, weights, options)
        scores = [fits["model"].cv_score for _, fits in stream_fits(problem)]
        return float(np.mean(np.concatenate(scores)))

    return run


def group_ridge(backend: str) -> Callable[..., float]:
    def run(bands: dict, responses: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> float:
        from himalaya.backend import set_backend
        from himalaya.ridge import GroupRidgeCV
        from sklearn.model_selection import PredefinedSplit

        set_backend(backend)
        parameters = {"n_iter": weights.astype(np.float32), "alphas": ALPHAS.astype(np.float32)}
        parameters |= {"progress_bar": False}
        model = GroupRidgeCV("input", solver_params=parameters, fit_intercept=True)
        model.set_params(cv=PredefinedSplit(folds)).fit(list(bands.values()), responses)
        best = np.asarray(model.cv_scores_).max(axis=0)
        return float(np.mean(1 + best / responses.var(axis=0)))

    return run


METHODS: dict[str, Callable[..., float]] = {
    **{name: native(search) for name, search in NATIVE.items()},
    "native exact torch": native("exact", "torch"),
    "himalaya GroupRidge numpy": group_ridge("numpy"),
    "himalaya GroupRidge torch": group_ridge("torch"),
}


def measure(
    method: str, n: int, widths: str, n_voxels: int, signal: float, n_candidates: int, n_all: int
) -> dict:
    """One fit of the first `n_candidates` of all, in this process; times as of all."""
    warnings.simplefilter("ignore")
    sizes = [int(width) for width in widths.split("+")]
    bands, responses = simulated(n, sizes, n_voxels, signal)
    folds = np.random.default_rng(1).permutation(n) % N_FOLDS
    weights = np.maximum(draw_band_weights(len(sizes), n_all, 0), 1e-6)[:n_candidates]
    start, cpu = time.perf_counter(), time.process_time()
    score = METHODS[method](bands, responses, folds, weights)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    rate = sgemm_rate()
    floor = floor_flops(n, [sum(sizes)] * n_all, n_voxels) / rate
    times = n_all / n_candidates
    return {
        "seconds": seconds * times,
        "cpu": cpu * times,
        "peak": peak,
        "score": score,
        "floor": floor,
        "rate": rate / 1e9,
    }


def in_child(arguments: list[str]) -> dict:
    command = [sys.executable, "-m", "benchmarks.banded_ridge", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def compare(arguments: argparse.Namespace) -> None:
    print("| " + " | ".join(COLUMNS) + " |\n" + "|---" * len(COLUMNS) + "|")
    cells = itertools.product(arguments.widths, arguments.voxels, arguments.signal)
    for widths, n_voxels, signal in cells:
        found: dict[str, list[dict]] = {method: [] for method in arguments.methods}
        for _, method in itertools.product(range(arguments.rounds), arguments.methods):
            timed = arguments.candidates if "native" in method else arguments.timed
            problem = arguments.images, widths, n_voxels, signal, timed, arguments.candidates
            found[method].append(in_child(["measure", method, *map(str, problem)]))
        _print_rows([widths, str(n_voxels), f"{signal:.0%}"], found, arguments)


def _print_rows(
    cell: list[str], found: dict[str, list[dict]], arguments: argparse.Namespace
) -> None:
    fastest = {name: min(runs, key=lambda run: run["seconds"]) for name, runs in found.items()}
    references = [run["seconds"] for name, run in fastest.items() if "GroupRidge" in name]
    for method, run in fastest.items():
        ratio = f"{min(references) / run['seconds']:.1f}" if references else "-"
        share = f"{run['floor'] / run['seconds']:.0%}" if method in SHARES else "-"
        seconds = ", ".join(f"{each['seconds']:.1f}" for each in found[method])
        if "native" not in method and arguments.timed < arguments.candidates:
            seconds += f" ({arguments.timed} of {arguments.candidates} candidates timed)"
        values = [*cell, method, seconds, f"{run['cpu']:.1f}", ratio, share]
        values += [f"{run['rate']:.0f}", f"{run['peak']:.2f}", f"{run['score']:.5f}"]
        print("| " + " | ".join(values) + " |", flush=True)


def grid(arguments: argparse.Namespace) -> None:
    """Measure the full grid of one subject."""
    n, n_voxels = 8500, arguments.grid_voxels
    bands, responses = simulated(n, [512] * 3, n_voxels)
    folds = np.random.default_rng(1).permutation(n) % N_FOLDS
    models = {model_name(subset): subset for subset in subsets("ABC")}
    candidates = {name: draw_band_weights(len(m), 20, 0) for name, m in models.items()}
    sizes = [int(512 * np.count_nonzero(row)) for rows in candidates.values() for row in rows]
    rate = sgemm_rate()
    for search in arguments.searches:
        options = Options(search=search, memory_bytes=arguments.memory * 1e9)
        start = time.perf_counter()
        problem = Problem(bands, responses, folds, ALPHAS, models, candidates, options)
        parts = stream_fits(problem)
        scores = np.concatenate([fits["A+B+C"].cv_score for _, fits in parts])
        seconds = time.perf_counter() - start
        floor = floor_flops(n, sizes, n_voxels) / rate
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        print(
            f"grid, {search}: {seconds / 60:.1f} min, {len(sizes)} candidates, {n_voxels} voxels, "
            f"floor {floor / 60:.1f} min of exact search at {rate / 1e9:.0f} GFLOP/s "
            f"({floor / seconds:.0%}), peak {peak:.1f} GB, mean CV R² {scores.mean():.5f}",
            flush=True,
        )


def memory(arguments: argparse.Namespace) -> None:
    """Measure a complete cortex from a file, within a memory budget."""
    n, n_voxels = 8500, arguments.cortex_voxels
    bands, responses = simulated(n, [1000] * 3, 512)
    folds = np.random.default_rng(1).permutation(n) % N_FOLDS
    models, candidates = {"A+B+C": tuple("ABC")}, {"A+B+C": draw_band_weights(3, 2, 0)}
    with tempfile.TemporaryDirectory() as folder, h5py.File(f"{folder}/y.h5", "w") as file:
        stored = file.create_dataset("y", (n, n_voxels), np.float32, chunks=(n, 128))
        for start in range(0, n_voxels, 512):
            stop = min(start + 512, n_voxels)
            stored[:, start:stop] = responses[:, : stop - start]
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
        for search in arguments.searches:
            options = Options(search=search, memory_bytes=arguments.memory * 1e9)
            start = time.perf_counter()
            problem = Problem(bands, stored, folds, ALPHAS, models, candidates, options)
            parts = stream_fits(problem)
            n_fitted = sum(len(voxels) for voxels, _ in parts)
            seconds = time.perf_counter() - start
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
            print(
                f"memory, {search}: {n_fitted} voxels × 2 candidates, {seconds / 60:.1f} min, "
                f"budget {arguments.memory} GB, peak {peak:.2f} GB, before the fit {before:.2f}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, dest="command")
    table = commands.add_parser("compare")
    table.add_argument("--images", type=int, default=4000)
    table.add_argument("--widths", nargs="+", default=["512+512", "1024+2048"])
    table.add_argument("--voxels", type=int, nargs="+", default=[4000])
    table.add_argument("--signal", type=float, nargs="+", default=[0.3], help="share of voxels")
    table.add_argument("--candidates", type=int, default=20)
    table.add_argument("--timed", type=int, default=2, help="candidates that himalaya runs")
    table.add_argument("--rounds", type=int, default=3)
    table.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    whole = commands.add_parser("grid")
    whole.add_argument("--searches", nargs="+", default=["windowed", "exact"])
    whole.add_argument("--grid-voxels", type=int, default=15724)
    whole.add_argument("--memory", type=float, default=8.0, help="GB")
    cortex = commands.add_parser("memory")
    cortex.add_argument("--searches", nargs="+", default=["windowed"])
    cortex.add_argument("--cortex-voxels", type=int, default=200_000)
    cortex.add_argument("--memory", type=float, default=8.0, help="GB")
    child = commands.add_parser("measure")
    child.add_argument("method")
    child.add_argument("images", type=int)
    child.add_argument("widths")
    child.add_argument("voxels", type=int)
    child.add_argument("signal", type=float)
    child.add_argument("timed", type=int)
    child.add_argument("candidates", type=int)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        values = list(vars(arguments).values())[1:]
        print(json.dumps(measure(*values)))
        return
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    print(
        ", ".join(f"{p['internal_api']} {p.get('architecture')} × {p['num_threads']}" for p in blas)
    )
    chosen = {"compare": compare, "grid": grid, "memory": memory}
    chosen[arguments.command](arguments)


if __name__ == "__main__":
    main()
