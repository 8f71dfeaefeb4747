"""Reading a subject's sessions, for one block of voxels at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pipeline.nsd.design import Design, read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces import ResponseSpace, open_space
from pipeline.nsd.zscores import zscore_within


@dataclass(frozen=True)
class SessionReader:
    """Reads a subject's sessions and z-scores them.

    Attributes
    ----------
    within : trials that are z-scored together, "session" or "run"
    training_only : take mean and standard deviation from trials of images that are not shared, so
        that test images do not influence the scaling
    """

    space: ResponseSpace
    design: Design
    within: str = "session"
    training_only: bool = False

    @classmethod
    def open(cls, layout: NSDLayout, subject: str, settings: Mapping[str, Any]) -> SessionReader:
        """Open the sessions that the `responses` section of a configuration describes."""
        return cls(
            open_space(layout, subject, settings["space"], settings["betas"]),
            read_design(layout, subject).first(settings["sessions"]),
            within=settings["zscore_within"],
            training_only=settings["zscore_trials"] == "training",
        )

    def zscored(self, session: int, voxel: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Read the images (trial,) of a 1-based session, and z-scored responses (trial, voxel).

        NaN where the session did not cover a voxel. Raises as `ResponseSpace.read_session` does.
        """
        betas = self.space.read_session(session, voxel)
        trials = self.design.session_trials(session)
        images = self.design.nsd_id[trials]
        groups = {"session": self.design.session, "run": self.design.run}[self.within][trials]
        learnt_from = ~np.isin(images, self.design.shared) if self.training_only else None
        return images, zscore_within(betas, groups, learnt_from)

    def sessions(self, voxel: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield `zscored` of every session of the design."""
        for session in range(1, self.design.n_sessions + 1):
            yield self.zscored(session, voxel)
