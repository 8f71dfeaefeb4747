"""Export of maps to pycortex: a subject in its database, and data for its viewers.

pycortex (Gao et al. 2015, Front Neuroinform) is not a dependency; these functions write the files
that it reads, and `vertex_views` calls it where it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import nibabel
import numpy as np

from pipeline.configuration.settings import FSAVERAGE, NATIVE
from pipeline.dataset.anatomy import Anatomy
from pipeline.errors import InputError
from pipeline.maps.files import INDEX, STRUCTURES, read_map
from pipeline.results.integrity import atomic_path
from pipeline.results.metadata import read_metadata

# folders of a subject in pycortex's database, which must exist even if empty
FOLDERS = ("transforms", "anatomicals", "cache", "surfaces", "surface-info", "views")
# pycortex's names of FreeSurfer's surfaces
SURFACES = {"white": "wm", "pial": "pia", "inflated": "inflated"}


def write_subject(anatomy: Anatomy, subject: str, folder: Path) -> Path:
    """Write a subject's surfaces in the layout of pycortex's database, below `folder`.

    Surfaces are GIFTI, `surfaces/{wm,pia,inflated}_{lh,rh}.gii`; sulcal depth is
    `surface-info/sulcaldepth.npz`, negative in sulci: pycortex negates FreeSurfer's. Copy or link
    the folder into pycortex's store (`cortex.database.default_filestore`). Flat maps need a cut
    that pycortex's users draw; NSD has none.

    Parameters
    ----------
    subject : subject of the anatomy, or fsaverage

    Returns
    -------
    the subject's folder
    """
    surface = anatomy.surface(FSAVERAGE if subject == FSAVERAGE else NATIVE, [*SURFACES])
    if surface is None:
        raise InputError(f"{subject}: the dataset has no surface of this subject")
    for name in FOLDERS:
        (folder / subject / name).mkdir(parents=True, exist_ok=True)
    for name, theirs in SURFACES.items():
        for side, (points, faces) in zip(STRUCTURES, surface.meshes[name], strict=True):
            _write(folder / subject / f"surfaces/{theirs}_{side}.gii", _mesh(points, faces, side))
    left, right = surface.sulcal_depth
    path = folder / subject / "surface-info/sulcaldepth.npz"
    with atomic_path(path) as temporary:
        np.savez(temporary, left=-left, right=-right)
    return folder / subject


def _mesh(points: np.ndarray, faces: np.ndarray, side: str) -> nibabel.GiftiImage:
    return nibabel.GiftiImage(
        meta=nibabel.gifti.GiftiMetaData(AnatomicalStructurePrimary=STRUCTURES[side]),
        darrays=[
            nibabel.gifti.GiftiDataArray(
                points.astype(np.float32), intent="NIFTI_INTENT_POINTSET", datatype=np.float32
            ),
            nibabel.gifti.GiftiDataArray(
                faces.astype(np.int32), intent="NIFTI_INTENT_TRIANGLE", datatype=np.int32
            ),
        ],
    )


def _write(path: Path, image: nibabel.GiftiImage) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(image.to_bytes())


def export(anatomy: Anatomy, subject: str, maps: Path, folder: Path) -> Path:
    """Write a subject for pycortex, with every map on its native surface as an array.

    Besides the files of `write_subject`, write `vertex/<entities>.npy` for every map that is not of
    labels: (vertex,) float32, left then right, NaN where there is no value, as accepted by
    `cortex.Vertex(array, subject)`.

    Parameters
    ----------
    maps : the subject's folder of maps

    Returns
    -------
    the subject's folder

    Raises
    ------
    InputError
        The study has no maps on native surfaces.
    """
    names: dict[str, list[str]] = {}
    for name, entry in read_metadata(maps / INDEX)["maps"].items():
        if entry["space"] == NATIVE and entry["units"] != "label":
            names.setdefault(entry["entities"], []).append(name)
    if not names:
        raise InputError(
            f"{maps}: no maps on nativesurface; add it to `maps.spaces` of the configuration and "
            "run snakemake again"
        )
    made = write_subject(anatomy, subject, folder)
    for entities, files in names.items():
        # L before R
        values = vertex_data([maps / name for name in sorted(files)])
        with atomic_path(made / f"vertex/{entities}.npy") as temporary:
            np.save(temporary, values)
    return made


def vertex_data(files: Sequence[Path]) -> np.ndarray:
    """Read a map of both hemispheres as (vertex,), left then right, for `cortex.Vertex`."""
    return np.concatenate([read_map(path) for path in files])


def vertex_views(maps: Mapping[str, Sequence[Path]], subject: str, limit: float) -> object:
    """Make a `cortex.Dataset` of maps {title: files (left, right)} of a subject.

    Display it with `cortex.webshow`, or write it with its `save`.

    Raises
    ------
    InputError
        pycortex is not installed.
    """
    try:
        import cortex
    except ImportError as error:
        raise InputError("pycortex is not installed: pip install pycortex") from error
    views = {
        title: cortex.Vertex(vertex_data(files), subject, cmap="RdBu_r", vmin=-limit, vmax=limit)
        for title, files in maps.items()
    }
    return cortex.Dataset(**views)
