"""Types, names and the base class that all sections of the configuration share."""

from __future__ import annotations

from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Subject = Annotated[str, Field(pattern=r"^[A-Za-z0-9]+$")]
NSD_SUBJECTS = r"subj0[1-8]"
NSDSubject = Annotated[str, Field(pattern=rf"^{NSD_SUBJECTS}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
# collection of ROIs; the name is part of file names
ATLAS = r"^[A-Za-z0-9][A-Za-z0-9_-]*$"
Atlas = Annotated[str, Field(pattern=ATLAS)]
# NSD's functional volumes of 1.8 and 1 mm; the subject's own surface and fsaverage
Volume = Literal["func1pt8mm", "func1mm"]
Surface = Literal["nativesurface", "fsaverage"]
Space = Literal[Volume, Surface]
# the only space of a dataset of matrices
VOLUME = "volume"
SURFACES: tuple[str, ...] = get_args(Surface)
# shapes of a surface on which the report draws maps
SHAPES = ("inflated", "pial")
# spaces into which NSD's transform files can bring maps from the space of the responses
MapSpace = Literal[Space, "MNI152"]
# pictures of maps in the report
MapView = Literal["flat", "inflated", "slices"]
NATIVE: MapSpace = "nativesurface"
FSAVERAGE: MapSpace = "fsaverage"
MNI: MapSpace = "MNI152"
MAPPED_FROM: dict[str, tuple[MapSpace, ...]] = {
    "func1pt8mm": ("nativesurface", "fsaverage", "MNI152"),
    "func1mm": ("nativesurface", "fsaverage", "MNI152"),
    "nativesurface": ("fsaverage",),
    "fsaverage": (),
}
# quantities of maps, as files are named: those that the report draws, and further ones
DrawnQuantity = Literal["r", "normalisedR", "unique", "ceiling", "preferredModel", "roi"]
FurtherQuantity = Literal[
    "r2",
    "normalisedR2",
    "shared",
    "cvScore",
    "alpha",
    "bandWeight",
    "p",
    "q",
    "correlationCeiling",
]
Quantity = Literal[DrawnQuantity, FurtherQuantity]
DRAWN: tuple[Quantity, ...] = get_args(DrawnQuantity)
QUANTITIES: tuple[Quantity, ...] = get_args(Quantity)
# spaces that all subjects share
GROUP_SPACES: tuple[MapSpace, ...] = ("fsaverage", "MNI152")
# beta versions 1, 2 and 3
Betas = Literal["betas_assumehrf", "betas_fithrf", "betas_fithrf_GLMdenoise_RR"]
# input of a network: pixels, texts (captions, or labels written as text), or vectors (indicators of
# COCO's categories, the image's number)
Stimulus = Literal[
    "image",
    "captions",
    "first_caption",
    "all_objects",
    "top_object",
    "objects_in_captions",
    "categories",
    "supercategories",
    "identity",
]
# how the ids of images in a user's file count: NSD's numbers from 0 or from 1, or COCO's numbers
Numbering = Literal["nsd_id", "73KID", "coco_id"]
# COCO's annotation files from which each kind of stimulus is made
ANNOTATIONS: dict[str, tuple[str, ...]] = {
    "image": (),
    "captions": ("captions",),
    "first_caption": ("captions",),
    "all_objects": ("instances",),
    "top_object": ("instances",),
    "objects_in_captions": ("captions", "instances"),
    "categories": ("instances",),
    "supercategories": ("instances",),
    "identity": (),
    **dict.fromkeys(get_args(Numbering), ()),
}
# collection of regions that each combine several of a dataset's ROIs
COMPOSITE = "composite"
# names in tables that are no subjects, and that parts of the images have
RESERVED = ("shared", "mean", "all", "group")
# variant with all images of the study, fitted as its `encoding` section says
WHOLE = "all"
# part of the images that every subject was to see; the other parts are named by their subject
SHARED = "shared"


class Settings(BaseModel):
    """Base of all sections: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
