"""The voxels of a study: the conditions that they meet."""

from __future__ import annotations

import string
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, model_validator

from pipeline.configuration.names import declared
from pipeline.configuration.settings import SURFACES, Atlas, Settings
from pipeline.simulation.atlases import LABELS

Within = Literal["nsdgeneral", "cortex"]
# {ROI: the only one of NSD's collections that has it}; RSC is also an area of HCP_MMP1
COLLECTIONS = {
    roi: atlas
    for atlas, rois in LABELS.items()
    if atlas.startswith("floc-")
    for roi in rois
    if roi != "RSC"
}
# {whether responses are on a surface: (placeholders, suffixes) of a file of the user's}
FILES = {
    False: (("subject",), (".nii", ".nii.gz")),
    True: (("subject", "hemisphere"), (".mgh", ".mgz")),
}


def _with_collection(roi: str) -> str:
    """Return `collection/name` of an ROI, which can be given by its name alone."""
    if "/" not in roi:
        if any(roi in rois for rois in LABELS.values()) and roi not in COLLECTIONS:
            raise ValueError(
                f"'{roi}' can be of several collections; write collection/{roi}, such as "
                f"{next(atlas for atlas, rois in LABELS.items() if roi in rois)}/{roi}"
            )
        declared("a name without its collection", [roi], COLLECTIONS)
        return f"{COLLECTIONS[roi]}/{roi}"
    TypeAdapter(Atlas).validate_python(roi.partition("/")[0])
    return roi


Roi = Annotated[str, AfterValidator(_with_collection)]


class MaskSettings(Settings):
    """Conditions that all modelled voxels meet (docs/real_data.md)."""

    within: Within = "cortex"
    """NSD's `nsdgeneral` ROI, or the whole cortex."""
    rois: list[Roi] = Field(default=[])
    """ROIs, as `collection/name`, of which a voxel is in one or several. Names that only one of
    NSD's `floc` collections has can stand alone, such as `PPA`."""
    file: str | None = None
    """Your own mask: a NIfTI file on the grid of the responses (on surfaces .mgh or .mgz files).
    `{subject}` and, on surfaces, `{hemisphere}` (`lh`, `rh`) stand for their names."""
    labels: list[int] = Field(default=[])
    """Values of `file` that a voxel can have; by default all but 0 and NaN."""
    min_ncsnr: float | None = Field(default=None, gt=0)
    """Minimum noise-ceiling signal-to-noise ratio; `responses.ncsnr` says which."""

    @model_validator(mode="after")
    def _labels_are_of_a_file(self) -> MaskSettings:
        if self.labels and self.file is None:
            raise ValueError("`labels` are values of a `file`; name it")
        return self

    @property
    def is_named(self) -> bool:
        """Test whether it is all of nsdgeneral, or all of the cortex."""
        return self == MaskSettings(within=self.within)

    @property
    def collections(self) -> list[str]:
        """Collections of the ROIs, each once."""
        return list(dict.fromkeys(roi.partition("/")[0] for roi in self.rois))

    def require_file_of(self, space: str) -> None:
        """Raise ValueError unless `file` has the name of a file of this space."""
        if self.file is None:
            return
        on_surface = space in SURFACES
        placeholders, suffixes = FILES[on_surface]
        if not self.file.endswith(suffixes):
            raise ValueError(f"mask.file: in {space} a mask is a file {' or '.join(suffixes)}")
        used = {name for _, name, *_ in string.Formatter().parse(self.file) if name is not None}
        if unknown := sorted(used - set(placeholders)):
            raise ValueError(
                f"mask.file: unknown placeholder {{{unknown[0]}}}; in {space} there is "
                + " and ".join(f"{{{name}}}" for name in placeholders)
            )
        if on_surface and "hemisphere" not in used:
            raise ValueError(
                f"mask.file: {space} has a file for each hemisphere; write {{hemisphere}} where "
                "their names differ (lh, rh)"
            )


def _named(mask: Any) -> Any:
    """Return the conditions that a name alone stands for."""
    if isinstance(mask, Mapping | MaskSettings):
        return mask
    if mask not in ("nsdgeneral", "cortex"):
        raise ValueError(
            f"unknown mask {mask!r}; write nsdgeneral, cortex, or conditions such as "
            "{within: nsdgeneral, rois: [PPA]}"
        )
    return {"within": mask}


Mask = Annotated[
    MaskSettings, BeforeValidator(_named, json_schema_input_type=Within | MaskSettings)
]
