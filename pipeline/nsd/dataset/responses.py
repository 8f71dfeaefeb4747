"""A subject's betas as responses: z-scored, averaged over repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tqdm import tqdm

from pipeline.dataset.responses import AveragedResponses, Responses
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.noise_ceilings import recompute_ncsnr
from pipeline.nsd.responses import average_repeats
from pipeline.nsd.rois import read_mask
from pipeline.nsd.sessions import SessionReader


@dataclass(frozen=True)
class NSDResponses(Responses):
    """A subject's responses in one of NSD's spaces and beta versions.

    Attributes
    ----------
    ncsnr_source : "released" or "recomputed"
    """

    zscored: ClassVar[bool] = True
    nsd_id: np.ndarray
    voxel: np.ndarray
    geometry: Mapping[str, np.ndarray]
    reader: SessionReader
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
        return cls(
            nsd_id=reader.design.images,
            voxel=read_mask(reader.space, settings["mask"]),
            geometry=reader.space.geometry,
            reader=reader,
            ncsnr_source=settings["ncsnr"],
            simulated=layout.is_simulated,
            metadata={"sessions": reader.design.n_sessions},
            sources={
                "experiment_design": layout.experiment_design,
                "trials": layout.behaviour(subject),
            },
        )

    def ncsnr(self) -> np.ndarray:
        """Read the released ncsnr of the modelled voxels, or recompute it."""
        space, design = self.reader.space, self.reader.design
        if self.ncsnr_source == "recomputed":
            return recompute_ncsnr(space, design, self.voxel)
        return space.read_ncsnr()[self.voxel]

    def averaged(self, voxel: np.ndarray) -> AveragedResponses:
        """Average z-scored betas over the repeats of each image."""
        design = self.reader.design
        sessions = tqdm(
            self.reader.sessions(voxel), design.subject, design.n_sessions, unit="session"
        )
        return average_repeats(sessions, self.nsd_id, len(voxel))
