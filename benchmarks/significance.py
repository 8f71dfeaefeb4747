"""Level of the tests far into the tail, and their power in a small region.

    python -m benchmarks.significance tail         # null p, to 1e-6
    python -m benchmarks.significance clusters     # where images of a cluster are alike
    python -m benchmarks.significance discoveries  # 100 voxels with an effect among 20,000
    python -m benchmarks.significance seconds

`tail` counts p of 1e7 null voxel-tests and compares them with binomial intervals. So that this is
a matter of minutes, voxels are drawn once and used 20 to 40 times: predictions are rolled over
voxels, differences get other signs over images. Such tests are independent in pairs, which is what
the variance of a count asks for.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable

import numpy as np
from scipy.stats import binom

from encoding.inference.significance import (
    component_p,
    correlation_p,
    false_discovery_rate,
    sign_flip_p,
)
from pipeline.fits.predicted_images import VOXELS_PER_BLOCK

LEVELS = np.array([1e-2, 1e-3, 1e-4, 1e-5, 1e-6])
IMAGES = (100, 515, 1000)
DRAWN: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "Gaussian": lambda random, shape: random.standard_normal(shape),
    "exponential": lambda random, shape: random.exponential(size=shape),
    "t(3)": lambda random, shape: random.standard_t(3, shape),
}
VOXELS_AT_ONCE = 5000
# no p of sums below this many standard deviations is 0.01
FAR = 1.5


def counts_of_r(distribution: str, n: int, n_tests: int, seed: int) -> np.ndarray:
    """Count p of r at or below each level, for unrelated responses and predictions."""
    random, counts, n_rolls = np.random.default_rng(seed), np.zeros(len(LEVELS), int), 40
    for _ in range(n_tests // (VOXELS_AT_ONCE * n_rolls)):
        measured, predicted = (DRAWN[distribution](random, (n, VOXELS_AT_ONCE)) for _ in range(2))
        models = {str(shift): np.roll(predicted, shift, axis=1) for shift in range(n_rolls)}
        p = np.concatenate(list(correlation_p(measured, models).values()))
        counts += [np.count_nonzero(p <= level) for level in LEVELS]
    return counts


def counts_of_flips(distribution: str, n: int, n_tests: int, seed: int) -> np.ndarray:
    """Count p of sign flips at or below each level, for differences of two like losses.

    `skewed`: differences are the mean of a distribution minus its values.
    """
    random, counts, n_signs = np.random.default_rng(seed), np.zeros(len(LEVELS), int), 20
    least = 1.0
    for _ in range(n_tests // (VOXELS_AT_ONCE * n_signs)):
        draw = DRAWN["exponential" if distribution == "skewed" else distribution]
        difference = draw(random, (n, VOXELS_AT_ONCE))
        if distribution == "skewed":
            difference, signs = 1 - difference, np.ones((1, n))
        else:
            difference = difference - draw(random, difference.shape)
            signs = random.choice([-1.0, 1.0], (n_signs, n))
        size = np.linalg.norm(difference, axis=0)
        for sign, total in zip(signs, signs @ difference, strict=True):
            far = total > FAR * size
            p = sign_flip_p(sign[:, None] * difference[:, far])
            counts += [np.count_nonzero(p <= level) for level in LEVELS]
        near = sign_flip_p(sign[:, None] * difference[:, ~far][:, :100])
        least = min(least, near.min())
    if least <= LEVELS[0]:
        raise RuntimeError(f"p = {least} of a sum below {FAR} standard deviations")
    return counts


def tail(arguments: argparse.Namespace) -> None:
    print("| test | losses | images | tests | p ≤ " + " | p ≤ ".join(f"{x:g}" for x in LEVELS))
    print("|---" * (4 + len(LEVELS)) + "|")
    tests = {"r": counts_of_r, "sign flips": counts_of_flips}
    for name in arguments.tests:
        for n in IMAGES:
            for seed, distribution in enumerate(DRAWN):
                counts = tests[name](distribution, n, arguments.number, seed)
                _print_counts(name, distribution, n, arguments.number, counts)
    if "sign flips" in arguments.tests:
        n_tests = arguments.number // 20
        for n in IMAGES:
            counts = counts_of_flips("skewed", n, arguments.number, 0)
            _print_counts("sign flips", "mean minus exponential", n, n_tests, counts)


def _print_counts(test: str, losses: str, n: int, n_tests: int, counts: np.ndarray) -> None:
    low, high = binom.interval(0.99, n_tests, LEVELS)
    cells = [
        f"{count:,} ({a:,.0f} to {b:,.0f}{'' if a <= count <= b else ': outside'})"
        for count, a, b in zip(counts, low, high, strict=True)
    ]
    print(f"| {test} | {losses} | {n} | {n_tests:,} | " + " | ".join(cells) + " |", flush=True)


def clusters(arguments: argparse.Namespace) -> None:
    """Half, or all, of the variance of responses and of predictions is of clusters."""
    warnings.simplefilter("ignore")
    columns = ("images", "cluster sizes", "clusters", "variance of clusters", "effects")
    print(
        "|", " | ".join((*columns, "p ≤ 0.05 by image", "by cluster", "p ≤ 0.01 by cluster")), "|"
    )
    print("|---" * 8 + "|")
    random = np.random.default_rng(0)
    for n in IMAGES:
        for sizes in ("2", "5", "20", "1 to 60"):
            for share in (0.5, 1.0):
                for distribution in DRAWN:
                    _print_clusters(random, n, sizes, share, distribution, arguments.rounds)


def _print_clusters(
    random: np.random.Generator, n: int, sizes: str, share: float, distribution: str, rounds: int
) -> None:
    rates, numbers = [], []
    for _ in range(rounds):
        blocks = _blocks(random, n, sizes)
        numbers.append(blocks[-1] + 1)
        of_clusters = DRAWN[distribution](random, (2, numbers[-1], 1000))[:, blocks]
        of_images = DRAWN[distribution](random, of_clusters.shape)
        measured, predicted = np.sqrt(share) * of_clusters + np.sqrt(1 - share) * of_images
        p = [correlation_p(measured, {"m": predicted}, b)["m"] for b in (None, blocks)]
        rates.append([np.mean(p[0] <= 0.05), np.mean(p[1] <= 0.05), np.mean(p[1] <= 0.01)])
    image, cluster, low = np.mean(rates, axis=0)
    number = "–".join(map(str, sorted({min(numbers), max(numbers)})))
    shares = f"{image:.3f} | {cluster:.3f} | {low:.4f}"
    print(f"| {n} | {sizes} | {number} | {share:.0%} | {distribution} | {shares} |", flush=True)


def _blocks(random: np.random.Generator, n: int, sizes: str) -> np.ndarray:
    if sizes != "1 to 60":
        return np.arange(n) // int(sizes)
    drawn = np.repeat(np.arange(n), random.integers(1, 61, n))
    return drawn[:n]


def discoveries(arguments: argparse.Namespace) -> None:
    """100 of 20,000 voxels have r = .4, or a gain of .4 standard deviations; 1,000 images."""
    n, n_voxels, n_true = 1000, 20_000, 100
    columns = ("test", "repetitions", "fewest of 100 found", "mean false discovery proportion")
    print("|", " | ".join((*columns, "Monte Carlo standard error", "requested")), "|")
    print("|---" * 6 + "|")
    for test in arguments.tests:
        found, false = [], []
        for seed in range(arguments.repetitions):
            random = np.random.default_rng(seed)
            values = random.standard_normal((n, n_voxels), np.float32)
            if test == "r":
                predicted = random.standard_normal((n, n_voxels), np.float32)
                values[:, :n_true] += 0.4 / np.sqrt(1 - 0.4**2) * predicted[:, :n_true]
                p = correlation_p(values, {"m": predicted})["m"]
            else:
                values[:, :n_true] += 0.4
                p = sign_flip_p(values)
            discovered = false_discovery_rate(p) <= 0.05
            found.append(discovered[:n_true].sum())
            false.append(discovered[n_true:].sum() / max(discovered.sum(), 1))
        error = np.std(false, ddof=1) / np.sqrt(len(false))
        print(
            f"| {test} | {len(false)} | {min(found)} | {np.mean(false):.4f} | {error:.4f} | "
            f"{0.05 * (1 - n_true / n_voxels):.4f} |",
            flush=True,
        )


def seconds(arguments: argparse.Namespace) -> None:
    """10,000 voxels, 1,000 images, a comparison of two spaces."""
    random = np.random.default_rng(0)
    measured, *rows = random.standard_normal((4, 1000, 10_000), np.float32)
    predicted = dict(zip(("a", "b", "a+b"), rows, strict=True))
    parts = [slice(start, start + VOXELS_PER_BLOCK) for start in range(0, 10_000, VOXELS_PER_BLOCK)]
    for label, labels in {"images": None, "clusters": np.arange(1000) // 20}.items():
        spent = np.zeros(2)
        for here in parts:
            models = {name: values[:, here] for name, values in predicted.items()}
            start = time.perf_counter()
            correlation_p(measured[:, here], models, labels)
            middle = time.perf_counter()
            component_p(measured[:, here], models, ["a", "b"], labels)
            spent += middle - start, time.perf_counter() - middle
        print(f"{label}: r of 3 models {spent[0]:.1f} s, 3 components {spent[1]:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, dest="command")
    tests = {"nargs": "+", "default": ["r", "sign flips"], "choices": ["r", "sign flips"]}
    counted = commands.add_parser("tail")
    counted.add_argument("--number", type=int, default=10_000_000)
    counted.add_argument("--tests", **tests)
    clustered = commands.add_parser("clusters")
    clustered.add_argument("--rounds", type=int, default=40, help="of 1,000 voxels each")
    discovered = commands.add_parser("discoveries")
    discovered.add_argument("--repetitions", type=int, default=200)
    discovered.add_argument("--tests", **tests)
    commands.add_parser("seconds")
    arguments = parser.parse_args()
    commands_ = {"tail": tail, "clusters": clusters, "discoveries": discoveries, "seconds": seconds}
    commands_[arguments.command](arguments)


if __name__ == "__main__":
    main()
