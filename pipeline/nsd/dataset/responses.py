"""A subject's betas as responses: z-scored, averaged over repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tqdm import tqdm

from pipeline.dataset.repeats import average_repeats
from pipeline.dataset.responses import AveragedResponses, Responses
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.masks import Mask, select_voxels
from pipeline.nsd.noise_ceilings import recompute_ncsnr
from pipeline.nsd.sessions import SessionReader


@dataclass(frozen=True)
class NSDResponses(Responses):
    """A subject's responses in one of NSD's spaces and beta versions.

    Attributes
    ----------
    mask : the modelled voxels, and how they were chosen
    ncsnr_source : "released" or "recomputed"
    """

    zscored: ClassVar[bool] = True
    nsd_id: np.ndarray
    voxel: np.ndarray
    geometry: Mapping[str, np.ndarray]
    reader: SessionReader
    mask: Mask
    ncsnr_source: str
    # without the defaults of `Responses`, which a dataclass would use or refuse
    simulated: bool = field()
    metadata: Mapping[str, Any] = field()
    sources: Mapping[str, Path] = field()

    @classmethod
    def open(cls, folder: Path, subject: str, settings: Mapping[str, Any]) -> NSDResponses:
        """Open the responses that the `responses` section of a configuration describes."""
        layout = NSDLayout(folder)
        reader = SessionReader.open(layout, subject, settings)
        ncsnr = partial(_read_ncsnr, reader, settings["ncsnr"])
        mask = select_voxels(reader.space, settings["mask"], ncsnr)
        return cls(
            nsd_id=reader.design.images,
            voxel=mask.voxel,
            geometry=reader.space.geometry,
            reader=reader,
            mask=mask,
            ncsnr_source=settings["ncsnr"],
            simulated=layout.is_simulated,
            metadata={"sessions": reader.design.n_sessions, "voxels_left": mask.left},
            sources={
                "experiment_design": layout.experiment_design,
                "trials": layout.behaviour(subject),
                **{f"mask/{path.name}": path for path in mask.files},
            },
        )

    def ncsnr(self) -> np.ndarray:
        """Read the released ncsnr of the modelled voxels, or recompute it."""
        if self.mask.ncsnr is not None:
            return self.mask.ncsnr
        return _read_ncsnr(self.reader, self.ncsnr_source, self.voxel)

    def averaged(self, voxel: np.ndarray) -> AveragedResponses:
        """Average z-scored betas over the repeats of each image."""
        design = self.reader.design
        sessions = tqdm(
            self.reader.sessions(voxel), design.subject, design.n_sessions, unit="session"
        )
        return average_repeats(sessions, self.nsd_id, len(voxel))


def _read_ncsnr(reader: SessionReader, source: str, voxel: np.ndarray) -> np.ndarray:
    """Read the released ncsnr (voxel,), or recompute it."""
    if source == "recomputed":
        return recompute_ncsnr(reader.space, reader.design, voxel)
    return reader.space.read_ncsnr()[voxel]
