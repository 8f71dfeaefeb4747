"""Agreement of the windowed search with the exact one under difficult conditions.

    python -m benchmarks.search_agreement --out agreement.tsv

One simulated problem a cell, of all pairs of levels once (`cells`): images, features by image,
bands, penalties of a shipped configuration, and what makes features, errors or folds hard. A cell
that is in the file is not run again. Columns: the share of voxels whose cross-validated R² is
short by more than 1e-4, the largest shortfall, how much mean test R² is lower, the share of voxels
that were searched exactly, and CPU seconds of both searches, which others on a shared machine
disturb less than they do wall time.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.problem import Options
from encoding.ridge.solver import fit_banded_ridge
from encoding.scores import r2_score

N_FOLDS, N_TEST = 5, 500
GRIDS = {
    "nsd": np.logspace(-5, 5, 21),
    "demo": np.logspace(-5, 4, 19),
    "paper": np.logspace(-8, 10, 100),
}
KINDS = (
    "plain",
    "sparse",
    "heavy",
    "cauchy",
    "duplicates",
    "autoregressive",
    "clusters",
    "leverage",
    "scales",
)
LEVELS = {
    "n_images": (250, 500, 1000, 4000),
    "ratio": (0.1, 0.5, 1.0, 2.0, 4.0),
    "n_bands": (1, 2, 3),
    "grid": tuple(GRIDS),
    "kind": KINDS,
}


@dataclass(frozen=True)
class Cell:
    """One simulated problem; `ratio` is of features to images."""

    n_images: int
    ratio: float
    n_bands: int
    grid: str
    kind: str

    @property
    def n_voxels(self) -> int:
        return 200 if self.n_images == 4000 and self.ratio > 1 else 1000

    @property
    def n_candidates(self) -> int:
        """Fewer where each takes minutes to decompose."""
        return 4 if self.n_images == 4000 and self.ratio >= 1 else 20


def cells() -> list[Cell]:
    """Every pair of levels once at least, chosen greedily."""
    names = list(LEVELS)
    missing = {
        ((a, x), (b, y))
        for a, b in itertools.combinations(names, 2)
        for x, y in itertools.product(LEVELS[a], LEVELS[b])
    }
    everything = [dict(zip(names, row, strict=True)) for row in itertools.product(*LEVELS.values())]

    def pairs(row: dict) -> set:
        return set(itertools.combinations(row.items(), 2))

    chosen = []
    while missing:
        best = max(everything, key=lambda row: len(pairs(row) & missing))
        missing -= pairs(best)
        chosen.append(Cell(**best))
    # the large ones last
    return sorted(chosen, key=lambda cell: cell.n_images**2 * cell.ratio)


class Draws:
    """Distributions of a cell's features and errors; all images of train and test together."""

    def __init__(self, kind: str, n: int, generator: np.random.Generator) -> None:
        self.kind, self.n, self.generator = kind, n, generator
        self.cluster = generator.permutation(np.arange(n) % max(n // 10, 2 * N_FOLDS))
        self.norms = np.ones((n, 1))
        if kind == "leverage":
            self.norms = np.exp(0.7 * generator.standard_normal((n, 1)))
        if kind == "cauchy":
            self.norms = abs(generator.standard_cauchy((n, 1)))

    def dependent(self, shape: tuple[int, int]) -> np.ndarray:
        """Rows that depend on one another as the kind says, of unit variance."""
        rows = self.generator.standard_normal(shape)
        if self.kind == "autoregressive":
            for row in range(1, len(rows)):
                rows[row] = 0.9 * rows[row - 1] + np.sqrt(1 - 0.9**2) * rows[row]
        if self.kind == "clusters":
            shared = self.generator.standard_normal((self.cluster.max() + 1, shape[1]))
            rows = np.sqrt(0.7) * shared[self.cluster] + np.sqrt(0.3) * rows
        return rows

    def band(self, width: int) -> np.ndarray:
        """(image, feature) with a power-law spectrum."""
        shape = self.n, width
        if self.kind == "sparse":
            rows = np.maximum(self.generator.standard_normal(shape) - 1.5, 0)
        elif self.kind == "heavy":
            rows = self.generator.standard_t(2.1, shape)
        elif self.kind == "scales":
            rows = self.generator.standard_normal(shape)
            rows *= 10.0 ** self.generator.uniform(-4, 4, width)
        else:
            rows = self.dependent(shape) * self.norms
        if self.kind != "scales":
            rows = rows * np.arange(1, width + 1) ** -0.5
        if self.kind == "duplicates":
            copies = self.n // 5
            rows[-copies:] = rows[:copies]
        rows = rows - rows.mean(axis=0)
        return (rows / np.sqrt(np.mean(np.sum(rows**2, axis=1)))).astype(np.float32)

    def noise(self, n_voxels: int) -> np.ndarray:
        """(image, voxel); louder where an image's norm is large, if leverages differ."""
        noise = self.dependent((self.n, n_voxels))
        if self.kind == "leverage":
            noise *= self.norms / np.sqrt(np.mean(self.norms**2))
        return noise

    def folds(self, n_train: int) -> np.ndarray:
        if self.kind == "autoregressive":
            return np.arange(n_train) * N_FOLDS // n_train
        if self.kind == "clusters":
            return self.cluster[:n_train] % N_FOLDS
        return self.generator.permutation(n_train) % N_FOLDS


def simulated(cell: Cell) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """Bands and responses of training and test images, and folds of the training images.

    A third of the voxels hold noise alone.
    """
    generator = np.random.default_rng(0)
    draws = Draws(cell.kind, cell.n_images + N_TEST, generator)
    width = max(2, int(cell.ratio * cell.n_images / cell.n_bands))
    bands = {"abc"[k]: draws.band(width) for k in range(cell.n_bands)}
    signal = np.zeros((draws.n, cell.n_voxels))
    for band in bands.values():
        share = generator.uniform(0, 1, cell.n_voxels)
        signal += share * (band @ generator.standard_normal((width, cell.n_voxels)))
    signal *= generator.uniform(0.2, 1.2, cell.n_voxels) / signal.std(axis=0)
    signal *= generator.uniform(size=cell.n_voxels) > 1 / 3
    responses = (signal + draws.noise(cell.n_voxels)).astype(np.float32)
    return bands, responses, draws.folds(cell.n_images)


def compare(cell: Cell) -> dict[str, object]:
    """Both searches of one cell."""
    bands, responses, folds = simulated(cell)
    train = {name: band[: cell.n_images] for name, band in bands.items()}
    test = {name: band[cell.n_images :] for name, band in bands.items()}
    weights = draw_band_weights(cell.n_bands, cell.n_candidates, 0)
    found, seconds, r2 = {}, {}, {}
    for search in ("exact", "windowed"):
        start = time.process_time()
        problem = train, responses[: cell.n_images], folds, GRIDS[cell.grid], weights
        found[search] = fit_banded_ridge(*problem, Options(search=search))
        seconds[search] = time.process_time() - start
        r2[search] = r2_score(responses[cell.n_images :], found[search].predict(test)).mean()
    short = found["exact"].cv_score - found["windowed"].cv_score
    return {
        **asdict(cell),
        "n_voxels": cell.n_voxels,
        "short": float(np.mean(short > 1e-4)),
        "largest": float(short.max()),
        "test_r2_lower": float(r2["exact"] - r2["windowed"]),
        "searched_exactly": float(found["windowed"].exact.mean()),
        "exact_cpu_seconds": seconds["exact"],
        "windowed_cpu_seconds": seconds["windowed"],
    }


def results(out: Path, requested: list[Cell]) -> Iterator[dict[str, object]]:
    """Rows of the cells, those in `out` as they are; each is written when it is there."""
    known = pd.read_csv(out, sep="\t").to_dict("records") if out.exists() else []
    done = {tuple(row[name] for name in LEVELS) for row in known}
    yield from known
    for cell in requested:
        if tuple(asdict(cell).values()) not in done:
            known.append(compare(cell))
            pd.DataFrame(known).to_csv(out, sep="\t", index=False)
            yield known[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--most", type=int, help="cells to have, small ones first")
    arguments = parser.parse_args()
    for row in results(arguments.out, cells()[: arguments.most]):
        print(
            "  ".join(f"{k}={v:.3g}" if isinstance(v, float) else f"{v}" for k, v in row.items()),
            flush=True,
        )


if __name__ == "__main__":
    main()
