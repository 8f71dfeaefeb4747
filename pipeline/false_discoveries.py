"""Over what the rate of false discoveries is controlled."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from encoding.significance import false_discovery_rate

# told in every file
FAMILY = "voxels of one map of one subject"


def false_discovery_rates(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """{…/q: (voxel,) float32} of every {…/p: (voxel,)} among some arrays; all of the voxels."""
    return {
        f"{name[:-1]}q": false_discovery_rate(values).astype(np.float32)
        for name, values in arrays.items()
        if name.endswith("/p")
    }
