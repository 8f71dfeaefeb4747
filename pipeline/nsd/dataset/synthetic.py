"""NSD-synthetic as images and responses of a subject outside the distribution of NSD's core."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from pipeline.dataset.out_of_distribution import AveragedTrials, OtherImages, OtherResponses
from pipeline.dataset.repeats import average_repeats
from pipeline.nsd.layout import SYNTHETIC, NSDLayout
from pipeline.nsd.spaces import ResponseSpace, open_space
from pipeline.nsd.synthetic.design import (
    SyntheticDesign,
    read_synthetic_design,
    read_synthetic_images,
)
from pipeline.nsd.synthetic.stimuli import SyntheticPictures, check_synthetic_stimuli
from pipeline.nsd.zscores import zscore_within


@dataclass(frozen=True)
class NSDSynthetic(OtherImages):
    """The 284 images of NSD-synthetic, of which 64 were coloured for the subject."""

    layout: NSDLayout
    subject: str

    @classmethod
    def open(cls, folder: Path, subject: str) -> NSDSynthetic:
        """Open the images of a subject."""
        return cls(NSDLayout(folder), subject)

    @property
    def simulated(self) -> bool:
        """Test whether images and responses are simulated."""
        return self.layout.is_simulated

    @property
    def images(self) -> pd.DataFrame:
        """Names and classes, a row for each image."""
        return read_synthetic_images(self.layout)

    @property
    def sources(self) -> dict[str, Path]:
        """Small files whose hashes results record."""
        return {"design": self.layout.synthetic_design, "images": self.layout.synthetic_images}

    def pictures(self) -> SyntheticPictures:
        """Open the pictures, as values of a display and cropped to the central square."""
        check_synthetic_stimuli(self.layout, self.subject)
        return SyntheticPictures(self.layout, self.subject)

    def responses(self, settings: Mapping[str, Any]) -> SyntheticResponses:
        """Open the responses in the space that the section `responses` names."""
        return SyntheticResponses(
            open_space(self.layout, self.subject, settings["space"], settings["betas"]),
            read_synthetic_design(self.layout),
            settings["zscore_within"],
        )


@dataclass(frozen=True)
class SyntheticResponses(OtherResponses):
    """Responses of the session, z-scored over its trials, or those of each run.

    No trial is of a training image, so that `zscore_trials` does not apply.
    """

    space: ResponseSpace
    design: SyntheticDesign
    within: str

    @property
    def metadata(self) -> dict[str, Any]:
        """Numbers of trials that results record."""
        repeats, counts = np.unique(self.design.n_repeats, return_counts=True)
        return {
            "trials": len(self.design.image),
            "one_back_trials": int(self.design.one_back.sum()),
            "images_by_repeats": dict(zip(map(str, repeats), counts.tolist(), strict=True)),
            "zscore_within": self.within,
        }

    def averaged(self, voxel: np.ndarray) -> AveragedTrials:
        """Average the z-scored trials of each image; see `OtherResponses`."""
        betas = self.space.read_session(SYNTHETIC, voxel)
        groups = self.design.run if self.within == "run" else np.zeros_like(self.design.run)
        z = zscore_within(betas, groups)
        n_images = len(self.design.n_repeats)
        averaged = average_repeats([(self.design.image, z)], np.arange(n_images), len(voxel))
        return AveragedTrials(averaged, z.var(axis=0, ddof=1, dtype=np.float64))
