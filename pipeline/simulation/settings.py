"""The `simulation:` section of a configuration."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, model_validator

from pipeline.configuration.settings import SURFACES, Betas, Name, NSDSubject, Settings, Space
from pipeline.simulation.atlases import LABELS

IMAGES_PER_SESSION = 250
# approximate fraction of a grid in each mask
MASK_FRACTIONS = {"nsdgeneral": 0.087, "cortex": 0.28}
# MNI152 coordinates, mm, of the first and the last voxel of a volume around the human brain
HUMAN_CORNERS = np.array([(-72.0, -108.0, -54.0), (72.0, 75.0, 84.0)])
# approximate volume of each mask of the human brain, cubic mm
HUMAN_VOLUMES = {"nsdgeneral": 81_500.0, "cortex": 550_000.0}
Proportion = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class TemplateSizes:
    """Sizes of meshes and of the MNI152 template.

    Attributes
    ----------
    native : vertices of each hemisphere; each subject has a few more, so that numbers differ
        between subjects
    fsaverage : vertices of each hemisphere
    mni_shape, mni_edge : voxels of the template, and their edge in mm
    """

    native: dict[str, int]
    fsaverage: int
    mni_shape: tuple[int, int, int]
    mni_edge: float


TEMPLATES = {
    "small": TemplateSizes({"lh": 640, "rh": 655}, 500, (23, 27, 22), 8.0),
    "human": TemplateSizes({"lh": 10_242, "rh": 10_242}, 10_242, (46, 55, 46), 4.0),
    "nsd": TemplateSizes({"lh": 227_000, "rh": 226_600}, 163_842, (182, 218, 182), 1.0),
}


class DrawnImages(Settings):
    """Scenes that the simulator draws."""

    source: Literal["drawn"]
    """Scenes drawn by the simulator."""


class Photographs(Settings):
    """Photographs of the user, with a table of captions, one per row, or of labels.

    Captions are made from labels.
    """

    source: Literal["photographs"]
    """Your own photographs."""
    folder: Path
    """Folder of the photographs."""
    captions: Path
    """Table with a column `file` and a column `caption` or `label`."""


class MaskSizes(Settings):
    """Numbers of voxels of a simulated brain."""

    brain: int = Field(ge=1)
    """Voxels with data: no others are written."""
    cortex: int = Field(ge=1)
    """Voxels of cortex, the outermost ones of the brain."""
    nsdgeneral: int = Field(ge=1)
    """Voxels of nsdgeneral, the most posterior ones of cortex."""

    @model_validator(mode="after")
    def _nested(self) -> MaskSizes:
        if not self.nsdgeneral <= self.cortex <= self.brain:
            raise ValueError("`nsdgeneral` is part of `cortex`, and `cortex` of `brain`")
        return self


class SimulatedSubject(Settings):
    """A subject who completed the first `sessions` of the planned ones."""

    sessions: int = Field(ge=1)
    """Number of completed sessions."""
    grid: tuple[int, int, int] | None = None
    """Size of the functional volume in voxels (X, Y, Z), in which the brain is an ellipsoid; all
    three differ and are at least 8."""
    voxel_size: Annotated[float, Field(ge=2, le=6)] | None = None
    """Edge of a voxel (mm) of a brain of human shape, instead of `grid`: the cortex of nilearn's
    fsaverage5, with ROIs approximately where they usually are."""
    formats: list[Literal["hdf5", "nifti"]] = Field(default=["hdf5"], min_length=1)
    """Formats of the beta files."""
    voxels: MaskSizes | None = None
    """Numbers of voxels; without them, fixed fractions of the grid."""

    def n_masked(self, mask: Literal["nsdgeneral", "cortex"]) -> int:
        """Return about how many voxels a mask has."""
        if self.voxels is not None:
            return int(getattr(self.voxels, mask))
        if self.voxel_size is not None:
            return round(HUMAN_VOLUMES[mask] / self.voxel_size**3)
        return round(MASK_FRACTIONS[mask] * math.prod(self.shape))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Size of the functional volume in voxels (X, Y, Z)."""
        if self.voxel_size is None:
            assert self.grid is not None, "validated"
            return self.grid
        first, last = HUMAN_CORNERS
        x, y, z = (int(n) for n in np.floor((last - first) / self.voxel_size + 1e-9) + 1)
        return x, y, z

    @property
    def n_stored(self) -> int:
        """About how many voxels have data."""
        if self.voxel_size is not None:
            return self.n_masked("cortex")
        return self.voxels.brain if self.voxels else math.prod(self.shape)

    @model_validator(mode="after")
    def _axes_differ(self) -> SimulatedSubject:
        if (self.grid is None) == (self.voxel_size is None):
            raise ValueError("needs `grid` (an ellipsoid) or `voxel_size` (human shape), not both")
        if self.voxel_size is not None:
            if self.voxels is not None:
                raise ValueError("`voxels` is of an ellipsoid; leave it out, or give a `grid`")
            return self
        # with equal axes a transposed volume would pass unnoticed
        if len(set(self.shape)) != 3 or min(self.shape) < 8:
            raise ValueError("`grid`: X, Y and Z must all differ and be at least 8")
        if self.voxels and self.voxels.brain > math.pi / 6 * math.prod(self.shape):
            raise ValueError("`voxels`: an ellipsoid in `grid` has fewer voxels than `brain`")
        return self


class PlantedSpace(Settings):
    """A feature space that drives voxels; it is computed without this project's `features`."""

    library: Literal["open_clip", "torchvision", "timm", "transformers"]
    """Library of the network."""
    architecture: str
    """Its architecture."""
    stimulus: Literal["image", "captions"]
    """Its input."""
    weights: str
    """Its weights, as in `networks`."""
    seed: int | None = None
    """Seed of untrained weights."""


class VoxelGroup(Settings):
    """A ROI whose voxels are driven by planted feature spaces."""

    atlas: str
    """Collection of ROIs."""
    roi: str
    """ROI of that collection."""
    proportions: dict[Name, Proportion]
    """Fraction of the signal variance from each planted space; the sum is 1."""

    @property
    def name(self) -> str:
        """ROI with its collection, such as `floc-faces/FFA-1`."""
        return f"{self.atlas}/{self.roi}"

    @model_validator(mode="after")
    def _known_and_complete(self) -> VoxelGroup:
        if self.atlas not in LABELS or self.roi not in LABELS[self.atlas]:
            raise ValueError(f"`{self.atlas}/{self.roi}` is not a simulated ROI")
        if abs(sum(self.proportions.values()) - 1) > 1e-6:
            raise ValueError(f"`proportions` of {self.atlas}/{self.roi} do not sum to 1")
        return self


class SyntheticSettings(Settings):
    """NSD-synthetic of every simulated subject: one session with 284 synthetic images."""

    changed: list[str] = Field(default=[])
    """Groups, such as `floc-faces/FFA-1`, that other weights drive than in the core experiment, so
    that models fitted there do not predict their responses: a planted drop."""


class SimulationSettings(Settings):
    """A simulated NSD: 750 trials a session, 250 planned images a session, three repeats each."""

    seed: int
    """Seed of the simulation."""
    images: Annotated[DrawnImages | Photographs, Field(discriminator="source")]
    """Drawn scenes, or your photographs."""
    spaces: list[Space] = Field(default=["func1pt8mm"], min_length=1)
    """The functional volume, and surfaces that are derived from it."""
    betas: Betas = "betas_fithrf_GLMdenoise_RR"
    """Beta version that is written."""
    planned_sessions: int = Field(ge=1, le=40)
    """Number of planned sessions (750 trials each)."""
    shared_images: int = Field(ge=10)
    """Number of images that all subjects share."""
    numbered_images: int | None = Field(default=None, ge=1)
    """Number of images of the experiment (NSD: 73000); no more than subjects see by default.
    Images that nobody sees are not drawn, and take no disk space."""
    templates: Literal["small", "nsd"] = "small"
    """Numbers of vertices of meshes and voxels of MNI152: small, or those of NSD."""
    oracle: bool = True
    """Whether to compute what ridge with the best penalties would find: takes hours for NSD's
    10,000 images."""
    captions_per_image: int = Field(ge=1)
    """Number of captions per image."""
    components: int = Field(ge=1)
    """Number of leading principal components of each space that drive voxels."""
    ncsnr: float = Field(gt=0)
    """Signal-to-noise ratio of a single trial."""
    subjects: dict[NSDSubject, SimulatedSubject] = Field(min_length=1)
    """Simulated subjects, by name."""
    planted_spaces: dict[Name, PlantedSpace] = Field(min_length=1)
    """Feature spaces that drive voxels, by name."""
    groups: list[VoxelGroup] = Field(min_length=1)
    """ROIs with signal; the rest of the mask has none. In an ellipsoid they are made from posterior
    to anterior; in a brain of human shape a voxel belongs to the first that names it."""
    synthetic: SyntheticSettings | None = None
    """NSD-synthetic, for `out_of_distribution`. Planted spaces of captions do not drive responses
    to its images, which have none."""

    @property
    def volume(self) -> str:
        """The functional volume that is simulated."""
        return next(space for space in self.spaces if space not in SURFACES)

    @property
    def surfaces(self) -> list[str]:
        """Surfaces for which betas are written."""
        return [space for space in self.spaces if space in SURFACES]

    @property
    def is_human(self) -> bool:
        """Test whether brains have human shape."""
        return next(iter(self.subjects.values())).voxel_size is not None

    @property
    def sizes(self) -> TemplateSizes:
        """Sizes of meshes and of the MNI152 template."""
        return TEMPLATES["human" if self.is_human else self.templates]

    @property
    def images_per_subject(self) -> int:
        """Number of planned images of each subject."""
        return IMAGES_PER_SESSION * self.planned_sessions

    @property
    def n_drawn(self) -> int:
        """Number of images of all simulated subjects together."""
        own = self.images_per_subject - self.shared_images
        return self.shared_images + own * len(self.subjects)

    @property
    def n_images(self) -> int:
        """Number of images of the experiment."""
        return self.numbered_images or self.n_drawn

    @model_validator(mode="after")
    def _consistent(self) -> SimulationSettings:
        volumes = [space for space in self.spaces if space not in SURFACES]
        if len(volumes) != 1 or len(set(self.spaces)) != len(self.spaces):
            raise ValueError("`spaces` needs one functional volume, and any surfaces")
        if self.surfaces and self.volume != "func1mm":
            raise ValueError("`spaces`: NSD derives its surfaces from func1mm; add it")
        if len({subject.voxel_size is None for subject in self.subjects.values()}) > 1:
            raise ValueError("subjects: all have `grid`, or all have `voxel_size`")
        if self.is_human and self.templates != "small":
            raise ValueError("`templates`: brains of human shape have fsaverage5; leave it out")
        if self.shared_images >= self.images_per_subject:
            raise ValueError("`shared_images` leaves no image to train on")
        if self.n_images < self.n_drawn:
            raise ValueError(f"`numbered_images`: subjects see {self.n_drawn}")
        for name, subject in self.subjects.items():
            if subject.sessions > self.planned_sessions:
                raise ValueError(f"subjects.{name}.sessions exceeds `planned_sessions`")
        for group in self.groups:
            if unknown := sorted(set(group.proportions) - set(self.planted_spaces)):
                raise ValueError(f"groups: {group.name} names unknown planted space {unknown[0]}")
        names = [group.name for group in self.groups]
        if len(set(names)) != len(names):
            raise ValueError("groups: an ROI is listed twice")
        changed = self.synthetic.changed if self.synthetic else []
        if unknown := sorted(set(changed) - set(names)):
            raise ValueError(f"synthetic.changed: {unknown[0]} is not among `groups`")
        if self.synthetic and self.betas == "betas_assumehrf":
            raise ValueError("synthetic: NSD-synthetic has no betas_assumehrf; leave it out")
        return self
