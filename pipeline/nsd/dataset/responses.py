"""A subject's betas as responses: z-scored, averaged over repeats."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    nsd_id: np.ndarray
    voxel: np.ndarray
    geometry: Mapping[str, np.ndarray]
    reader: SessionReader
    ncsnr_source: str

    @classmethod
    def open(cls, folder: Path, subject: str, settings: Mapping[str, Any]) -> NSDResponses:
        """What the `responses` section of a configuration asks for, of an NSD copy."""
        reader = SessionReader.open(NSDLayout(folder), subject, settings)
        return cls(
            nsd_id=reader.design.images,
            voxel=read_mask(reader.space, settings["mask"]),
            geometry=reader.space.geometry,
            reader=reader,
            ncsnr_source=settings["ncsnr"],
        )

    @property
    def simulated(self) -> bool:
        return self.reader.space.layout.is_simulated

    @property
    def metadata(self) -> Mapping[str, Any]:
        return {"sessions": self.reader.design.n_sessions}

    @property
    def sources(self) -> Mapping[str, Path]:
        layout, subject = self.reader.space.layout, self.reader.design.subject
        return {
            "experiment_design": layout.experiment_design,
            "trials": layout.behaviour(subject),
        }

    def ncsnr(self) -> np.ndarray:
        space, design = self.reader.space, self.reader.design
        if self.ncsnr_source == "recomputed":
            return recompute_ncsnr(space, design, self.voxel)
        return space.read_ncsnr()[self.voxel]

    def averaged(self, voxel: np.ndarray) -> AveragedResponses:
        design = self.reader.design
        told = {"desc": design.subject, "total": design.n_sessions, "unit": "session"}
        sessions = tqdm(self.reader.sessions(voxel), **told)
        return average_repeats(sessions, self.nsd_id, len(voxel))
