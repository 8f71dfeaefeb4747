"""Wall time and peak memory of banded ridge, this project's and others', in one table of ratios.

    python -m benchmarks.banded_ridge compare --features 512 1024 --voxels 8000
    python -m benchmarks.banded_ridge agree
    python -m benchmarks.banded_ridge grid
    python -m benchmarks.banded_ridge memory --cortex-voxels 200000

`compare`: n = 4,000 images, two bands, 5 folds, 20 penalties, 3 candidates for the band weights.
MultipleKernelRidgeCV runs one candidate, its time is multiplied by 3 and marked. scikit-learn's
RidgeCV is its fast form: one space, leave-one-out. `agree`: the windowed search's picks beside the
exact one's, where images have like leverage and where not. `grid`: one subject's nsdgeneral
(15,724 voxels, 8,500 images), three bands of 512, all 7 subsets, 20 candidates each, 20 penalties,
5 folds. `memory`: a cortex streamed from disk, 8,500 images, 3,000 features in three bands; peak
memory of the process beside the budget, and the time of what was searched.

On a shared machine wall times wander: `--rounds` shows the fastest of several, methods in turn, and
CPU seconds stand beside. Every method runs in a process of its own, so that its peak memory is its
own; responses and features count for all. The floor is the time that the machine's float32 matrix
product, measured in the same process, would take for the products of the exact search: 2 r p for
each penalty and 2 p² for c, for each voxel, candidate and fold; r = min(validation images, p). A
search that uses the triangular form does less than that, and may pass 100 %.
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

from encoding.banded_ridge import Options, draw_band_weights, fit_banded_ridge, stream_fits
from encoding.partition import model_name, subsets

ALPHAS = np.logspace(0, 6, 20)
N_FOLDS = 5
OWN = {"own exact": "exact", "own windowed": "windowed", "own gcv": "gcv"}

# images, widths, voxels, candidates, spread of log norms of images, noise that follows them
CONDITIONS = (
    (4000, [256, 256], 2000, 10, 0.0, 0.0),
    (4000, [512, 512], 2000, 6, 0.0, 0.0),
    (1500, [100, 100, 100], 2000, 20, 0.0, 0.0),
    (700, [150, 150], 2000, 10, 0.0, 0.0),
    (700, [500, 500], 1024, 10, 0.0, 0.0),
    (4000, [256, 256], 1000, 10, 0.5, 1.0),
    (2000, [150, 150], 1000, 10, 0.7, 0.0),
    (2000, [150, 150], 1000, 10, 0.7, 1.0),
)
SHARES = ("own exact", "own exact torch")
COLUMNS = (
    "p",
    "voxels",
    "method",
    "seconds",
    "CPU seconds",
    "× faster than the faster GroupRidge",
    "× less CPU",
    "share of the floor",
    "sgemm GFLOP/s",
    "peak GB",
    "mean CV R²",
)


def simulated(n: int, widths: list[int], n_voxels: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Bands with power-law spectra and unit trace, and responses that mix them, float32."""
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
    signal *= 0.5
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


def own(search: str, backend: str = "numpy") -> Callable[..., float]:
    def run(bands: dict, responses: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> float:
        models, candidates = {"model": tuple(bands)}, {"model": weights}
        options = Options(search=search, backend=backend)
        parts = stream_fits(bands, responses, folds, ALPHAS, models, candidates, options)
        return float(np.mean(np.concatenate([fits["model"].cv_score for _, fits in parts])))

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


def kernel_ridge(backend: str) -> Callable[..., float]:
    def run(bands: dict, responses: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> float:
        from himalaya.backend import set_backend
        from himalaya.kernel_ridge import MultipleKernelRidgeCV
        from sklearn.model_selection import PredefinedSplit

        set_backend(backend)
        kernels = np.stack([band @ band.T for band in bands.values()])
        parameters = {"n_iter": weights[:1].astype(np.float32)}
        parameters |= {"alphas": ALPHAS.astype(np.float32), "progress_bar": False}
        parameters |= {"n_targets_batch": 2000, "n_alphas_batch": 5}
        model = MultipleKernelRidgeCV("precomputed", solver_params=parameters, fit_intercept=True)
        model.set_params(cv=PredefinedSplit(folds)).fit(kernels, responses)
        best = np.asarray(model.cv_scores_).max(axis=0)
        return float(np.mean(1 + best / responses.var(axis=0)))

    return run


def ridge_cv(bands: dict, responses: np.ndarray, folds: np.ndarray, weights: np.ndarray) -> float:
    from sklearn.linear_model import RidgeCV

    features = np.hstack(list(bands.values()))
    model = RidgeCV(ALPHAS, alpha_per_target=True, scoring=None).fit(features, responses)
    return float(np.mean(1 + model.best_score_ / responses.var(axis=0)))


METHODS: dict[str, Callable[..., float]] = {
    **{name: own(search) for name, search in OWN.items()},
    "own exact torch": own("exact", "torch"),
    "himalaya GroupRidge numpy": group_ridge("numpy"),
    "himalaya GroupRidge torch": group_ridge("torch"),
    "himalaya MultipleKernelRidge numpy": kernel_ridge("numpy"),
    "himalaya MultipleKernelRidge torch": kernel_ridge("torch"),
    "sklearn RidgeCV, one space": ridge_cv,
}


def measure(method: str, n: int, n_features: int, n_voxels: int, n_candidates: int) -> dict:
    """One fit, in this process."""
    warnings.simplefilter("ignore")
    widths = [n_features // 2, n_features - n_features // 2]
    bands, responses = simulated(n, widths, n_voxels)
    folds = np.random.default_rng(1).permutation(n) % N_FOLDS
    weights = np.maximum(draw_band_weights(2, n_candidates, 0), 1e-6)
    start, cpu = time.perf_counter(), time.process_time()
    score = METHODS[method](bands, responses, folds, weights)
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    rate = sgemm_rate()
    floor = floor_flops(n, [n_features] * n_candidates, n_voxels) / rate
    return {
        "seconds": seconds,
        "cpu": cpu,
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
    for n_features in arguments.features:
        for n_voxels in arguments.voxels:
            numbers = arguments.images, n_features, n_voxels, arguments.candidates
            sizes = [str(number) for number in numbers]
            found = {}
            for _, method in itertools.product(range(arguments.rounds), arguments.methods):
                result = in_child(["measure", method, *sizes])
                if "MultipleKernel" in method:
                    result["seconds"] *= arguments.candidates
                    result["cpu"] *= arguments.candidates
                if method not in found or result["seconds"] < found[method]["seconds"]:
                    found[method] = result
            _print_rows(n_features, n_voxels, found)


def _print_rows(n_features: int, n_voxels: int, found: dict[str, dict]) -> None:
    references = [result for name, result in found.items() if "GroupRidge" in name]
    for method, result in found.items():
        ratios = [
            f"{min(other[key] for other in references) / result[key]:.1f}" if references else "-"
            for key in ("seconds", "cpu")
        ]
        share = f"{result['floor'] / result['seconds']:.0%}" if method in SHARES else "-"
        extrapolated = " (1 candidate × 3)" if "MultipleKernel" in method else ""
        print(
            f"| {n_features} | {n_voxels} | {method} | {result['seconds']:.1f}{extrapolated} | "
            f"{result['cpu']:.1f} | {ratios[0]} | {ratios[1]} | {share} | {result['rate']:.0f} | "
            f"{result['peak']:.2f} | {result['score']:.5f} |",
            flush=True,
        )


def uneven(
    bands: dict[str, np.ndarray], responses: np.ndarray, spread: float, noise: float
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Images' features times log-normal norms, and noise that is louder where these are large."""
    generator = np.random.default_rng(5)
    norms = np.exp(spread * generator.standard_normal((len(responses), 1)))
    norms = (norms / np.sqrt(np.mean(norms**2))).astype(np.float32)
    louder = noise * (norms - 1) * generator.standard_normal(responses.shape, np.float32)
    return {name: band * norms for name, band in bands.items()}, responses + louder


def agree(arguments: argparse.Namespace) -> None:
    """How often `windowed` picks what `exact` picks, and what it loses where it does not."""
    for n, widths, n_voxels, n_candidates, spread, noise in CONDITIONS:
        bands, responses = uneven(*simulated(n, widths, n_voxels), spread, noise)
        folds = np.random.default_rng(1).permutation(n) % N_FOLDS
        weights = draw_band_weights(len(widths), n_candidates, 0)
        exact, windowed = (
            fit_banded_ridge(bands, responses, folds, ALPHAS, weights, Options(search=search))
            for search in ("exact", "windowed")
        )
        short = exact.cv_score - windowed.cv_score
        scored = np.isfinite(windowed.candidate_scores).mean()
        same = np.mean(exact.alpha == windowed.alpha)
        print(
            f"n = {n}, features {widths}, {n_candidates} candidates, spread {spread}, noise "
            f"{noise}: {scored:.0%} of candidates scored, same penalty in {same:.2%} of voxels, "
            f"R² short by more than 1e-6 in {np.mean(short > 1e-6):.2%}, by at most "
            f"{short.max():.1e}",
            flush=True,
        )


def grid(arguments: argparse.Namespace) -> None:
    """The full grid of one subject."""
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
        parts = stream_fits(bands, responses, folds, ALPHAS, models, candidates, options)
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
    """A whole cortex from a file, within a budget."""
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
            parts = stream_fits(bands, stored, folds, ALPHAS, models, candidates, options)
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
    table.add_argument("--features", type=int, nargs="+", default=[512, 1024, 3000])
    table.add_argument("--voxels", type=int, nargs="+", default=[2000, 8000])
    table.add_argument("--candidates", type=int, default=3)
    table.add_argument("--rounds", type=int, default=1, help="the fastest is shown")
    table.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    commands.add_parser("agree")
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
    child.add_argument("sizes", type=int, nargs=4)
    arguments = parser.parse_args()
    if arguments.command == "measure":
        print(json.dumps(measure(arguments.method, *arguments.sizes)))
        return
    blas = [pool for pool in threadpool_info() if pool["user_api"] == "blas"]
    print(
        ", ".join(f"{p['internal_api']} {p.get('architecture')} × {p['num_threads']}" for p in blas)
    )
    chosen = {"compare": compare, "agree": agree, "grid": grid, "memory": memory}
    chosen[arguments.command](arguments)


if __name__ == "__main__":
    main()
