"""The spaces in which NSD provides responses, with one interface."""

from __future__ import annotations

from pipeline.configuration.settings import SURFACES
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.spaces.base import ResponseSpace
from pipeline.nsd.spaces.surface import SurfaceSpace
from pipeline.nsd.spaces.volume import VolumeSpace

__all__ = ["ResponseSpace", "SurfaceSpace", "VolumeSpace", "open_space"]


def open_space(layout: NSDLayout, subject: str, name: str, betas: str) -> ResponseSpace:
    """Open a space of a subject.

    Raises
    ------
    InputError
        The nsdgeneral ROI, which defines the grid, is missing or damaged.
    """
    kind = SurfaceSpace if name in SURFACES else VolumeSpace
    return kind.open(layout, subject, name, betas)
