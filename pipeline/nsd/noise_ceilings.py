"""Noise-ceiling signal-to-noise ratio (ncsnr) from the betas, by NSD's recipe."""

from __future__ import annotations

import numpy as np
from tqdm import tqdm

from encoding.noise_ceiling import signal_to_noise
from pipeline.fits.voxel_chunks import voxel_blocks
from pipeline.nsd.design import Design
from pipeline.nsd.sessions import SessionReader
from pipeline.nsd.spaces import ResponseSpace


def recompute_ncsnr(space: ResponseSpace, design: Design, voxel: np.ndarray) -> np.ndarray:
    """Compute ncsnr (voxel,) float64 from betas z-scored within sessions over all trials, as NSD.

    Sessions are read for one block of voxels at a time.
    """
    reader = SessionReader(space, design)
    blocks = voxel_blocks(voxel, 2 * len(design.images))
    return np.concatenate(
        [
            signal_to_noise(reader.sessions(block), design.images, len(block))
            for block in tqdm(blocks, f"{design.subject} ncsnr", unit="block")
        ]
    )
