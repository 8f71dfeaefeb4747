"""Voxelwise quantities as NIfTI or GIFTI files, with BIDS-like names and JSON sidecars."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import nibabel
import numpy as np

from pipeline.configuration.settings import SURFACES
from pipeline.figures.palette import colour
from pipeline.maps.volume import volume_image
from pipeline.results.integrity import atomic_path
from pipeline.results.metadata import (
    metadata_path,
    verify_with_metadata,
    write_metadata,
    write_text,
)

# index of a folder of maps: {file in its folders: description}
INDEX = "index.json"
# hemispheres in BIDS; file names of volumes have none
BIDS_HEMISPHERES = {"lh": "L", "rh": "R"}
# hemispheres in GIFTI
STRUCTURES = {"lh": "CortexLeft", "rh": "CortexRight"}
# BIDS names of NSD's spaces, where they differ; NSD's MNI template is that of FSL
BIDS_SPACES = {"nativesurface": "fsnative", "MNI152": "MNI152NLin6Asym"}
# NIfTI names of the frames of spaces
FRAMES = {"MNI152": "mni"}


def bids_subject(subject: str) -> str:
    """Return the BIDS name of a subject: `sub-01` for NSD's `subj01`."""
    return f"sub-{subject.removeprefix('subj')}"


def map_names(subject: str | None, space: str, entities: str, *, labels: bool = False) -> list[str]:
    """Return the file names of one map: a volume, or the left and the right hemisphere.

    Parameters
    ----------
    subject : NSD's name; None for maps of the group
    space : NSD's name
    entities : middle part of the name, see `VoxelMap.entities`
    labels : whether values are labels
    """
    who = "" if subject is None else f"{bids_subject(subject)}_"
    middle = f"space-{BIDS_SPACES.get(space, space)}_{entities}"
    suffix = "dseg" if labels else "statmap"
    if space not in SURFACES:
        return [f"{who}{middle}_{suffix}.nii.gz"]
    kind = "label" if labels else "func"
    return [
        f"{who}hemi-{hemisphere}_{middle}_{suffix}.{kind}.gii"
        for hemisphere in BIDS_HEMISPHERES.values()
    ]


def map_files(
    folder: Path, index: Mapping[str, Mapping[str, Any]]
) -> dict[tuple[str, str], list[Path]]:
    """Return {(space, entities): files} of a folder of maps, the left hemisphere first.

    Parameters
    ----------
    index : {file: description} of the folder's index
    """
    files: dict[tuple[str, str], list[Path]] = {}
    for name in sorted(index):
        described = index[name]
        files.setdefault((described["space"], described["entities"]), []).append(folder / name)
    return files


def map_images(
    values: np.ndarray,
    voxel: np.ndarray,
    geometry: Mapping[str, np.ndarray],
    labels: Mapping[int, str] | None = None,
    space: str | None = None,
) -> list[nibabel.filebasedimages.SerializableImage]:
    """Make images of voxel values, NaN elsewhere, in the order of `map_names`.

    Parameters
    ----------
    values : (voxel,)
    voxel : (voxel,) C-order indices into the grid, or into the left then the right vertices
    geometry : `grid_shape` (X, Y, Z) with `affine` (voxel to world, mm, as in the
        subject's functional files), or `grid_shape` (left vertices, right vertices)
    labels : {value: name} of a map of labels, whose values are integers, 0 for no label
    space : NSD's name; the header of a volume says whether it is MNI or the subject's own frame
    """
    grid = tuple(int(n) for n in geometry["grid_shape"])
    everywhere = _fill(values, voxel, int(np.prod(grid) if "affine" in geometry else sum(grid)))
    if labels is not None:
        everywhere = np.nan_to_num(everywhere).astype(np.int32)
    if "affine" in geometry:
        frame = "scanner" if space is None else FRAMES.get(space, "scanner")
        image = volume_image(everywhere.reshape(grid), geometry["affine"], frame)
        if labels is not None:
            image.header.set_intent("label")
        return [image]
    parts = np.split(everywhere, [grid[0]])
    return [
        _gifti(part, name, labels) for part, name in zip(parts, STRUCTURES.values(), strict=True)
    ]


def image_like(path: Path, values: np.ndarray) -> nibabel.filebasedimages.SerializableImage:
    """Make an image of other values (float32) with the geometry of a map file."""
    values = np.asarray(values, dtype=np.float32)
    if path.suffix == ".gii":
        surface = nibabel.GiftiImage.from_filename(path)
        return _gifti(values, surface.meta["AnatomicalStructurePrimary"], None)
    image = nibabel.Nifti1Image.from_filename(path)
    return volume_image(values, image.affine, image.header.get_value_label("sform_code"))


def _fill(values: np.ndarray, voxel: np.ndarray, size: int) -> np.ndarray:
    filled = np.full(size, np.nan, dtype=np.float32)
    filled[voxel] = values
    return filled


def _gifti(
    values: np.ndarray, structure: str, labels: Mapping[int, str] | None
) -> nibabel.GiftiImage:
    intent = "NIFTI_INTENT_NONE" if labels is None else "NIFTI_INTENT_LABEL"
    array = nibabel.gifti.GiftiDataArray(values, intent=intent, datatype=values.dtype)
    meta = nibabel.gifti.GiftiMetaData(AnatomicalStructurePrimary=structure)
    table = None if labels is None else _label_table(labels)
    return nibabel.GiftiImage(darrays=[array], meta=meta, labeltable=table)


def _label_table(labels: Mapping[int, str]) -> nibabel.gifti.GiftiLabelTable:
    table = nibabel.gifti.GiftiLabelTable()
    table.labels = [_label(0, "none", "#FFFFFF", alpha=0.0)]
    table.labels += [_label(key, name, label_colour(key)) for key, name in labels.items()]
    return table


def _label(key: int, name: str, colour: str, alpha: float = 1.0) -> nibabel.gifti.GiftiLabel:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    label = nibabel.gifti.GiftiLabel(key, red, green, blue, alpha)
    label.label = name  # type: ignore[attr-defined]  # nibabel declares no attribute for it
    return label


def label_colour(value: int) -> str:
    """Return the colour of a label, numbered from 1."""
    return colour(value - 1)


def write_map(
    path: Path,
    image: nibabel.filebasedimages.SerializableImage,
    sidecar: Mapping[str, Any],
    labels: Mapping[int, str] | None = None,
) -> None:
    """Write an image as `path` (.nii.gz or .func.gii), and its sidecar (.json) beside it.

    A map of labels {value: name} also gets BIDS' table of index, name and colour.
    """
    content = image.to_bytes()
    with atomic_path(path) as temporary:
        # no date inside: equal maps are equal files
        zipped = path.suffix == ".gz"
        temporary.write_bytes(
            gzip.compress(content, compresslevel=6, mtime=0) if zipped else content
        )
    if labels is not None:
        lines = [f"{key}\t{name}\t{label_colour(key)}" for key, name in labels.items()]
        table = "\n".join(["index\tname\tcolor", *lines]) + "\n"
        write_text(metadata_path(path).with_suffix(".tsv"), table)
    write_metadata(metadata_path(path), sidecar)


def read_map(path: Path) -> np.ndarray:
    """Read the values of a map, float32, in the shape of its grid or (vertex,).

    Raises
    ------
    InputError
        The file is missing, altered, or from another run than its sidecar.
    """
    verify_with_metadata(path)
    if path.suffix == ".gii":
        return np.asarray(nibabel.GiftiImage.from_filename(path).agg_data(), dtype=np.float32)
    return nibabel.Nifti1Image.from_filename(path).get_fdata(dtype=np.float32)


def bids_label(name: str) -> str:
    """Turn a name into a BIDS label of letters and digits: `clip_rn50+bert`, `clipRn50PlusBert`."""
    words = re.findall(r"[A-Za-z0-9]+|\+|&", name.replace("_", " "))
    parts = [{"+": "Plus", "&": "And"}.get(word, word) for word in words]
    return "".join([parts[0], *(word[0].upper() + word[1:] for word in parts[1:])])
