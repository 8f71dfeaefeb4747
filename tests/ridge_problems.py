"""Simulated regression problems for tests of the banded-ridge engine."""

from __future__ import annotations

import numpy as np

from encoding.ridge.problem import Options

ALPHAS = np.logspace(-2, 4, 13)
EXACT = Options(search="exact", dtype="float64")


def simulated(seed, n_images, widths, n_voxels):
    generator = np.random.default_rng(seed)
    bands = {
        f"band{k}": generator.normal(size=(n_images, p)) * generator.uniform(0.3, 2, p)
        for k, p in enumerate(widths)
    }
    shares = generator.uniform(0, 1, (len(widths), n_voxels))
    signal = sum(
        share * (x @ generator.normal(size=(x.shape[1], n_voxels))) / np.sqrt(x.shape[1])
        for share, x in zip(shares, bands.values(), strict=True)
    )
    return bands, signal + generator.normal(size=signal.shape) + 3
