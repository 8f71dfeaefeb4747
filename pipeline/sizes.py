"""How much there is of a study."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    # it brings torch, and every start of the workflow reads this module
    from features.costs import NetworkCost


@dataclass(frozen=True)
class SubjectSize:
    """How much there is of a subject.

    Attributes
    ----------
    images, test_images : seen at least once
    voxels : in the mask
    grid : all voxels or vertices of the space
    mapped : {further space of maps: voxels or vertices of a map there}
    """

    sessions: int
    images: int
    test_images: int
    voxels: int
    grid: int
    mapped: Mapping[str, int]


@dataclass(frozen=True)
class StudySize:
    """How much there is of everything.

    Attributes
    ----------
    images : distinct images of all subjects
    networks : {network: cost of a pass of one stimulus}
    features : {feature space: its width}
    taken : {feature space: number of features before their reduction}
    """

    subjects: Mapping[str, SubjectSize]
    images: int
    captions_per_image: float
    networks: Mapping[str, NetworkCost]
    features: Mapping[str, int]
    taken: Mapping[str, int] = field(default_factory=dict)
