"""Positions of voxels in volumes, for any order of axes in their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.affines import apply_affine
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation
from nibabel.spatialimages import SpatialImage

from pipeline.errors import InputError
from pipeline.nsd.files import ORIGINAL, open_image, require_grid

# millimetres by which voxels may differ, because headers are float32
TOLERANCE = 1e-2


@dataclass(frozen=True)
class Frame:
    """Grid and position of volumes that share their voxels.

    Attributes
    ----------
    shape : (X, Y, Z)
    affine : (4, 4) voxel to millimetres
    path : file with which others are compared
    hint : what to do with a file of another frame that is not NSD's
    """

    shape: tuple[int, ...]
    affine: np.ndarray
    path: Path
    hint: str | None = None

    @classmethod
    def of(cls, path: Path) -> Frame:
        """Read the frame of a file, with axes in NSD's order: to the right, to the front, upwards.

        NSD's HDF5 files have this order, and no header that says so.
        """
        with open_image(path) as image:
            if image.ndim != 3:
                raise InputError(f"{path}: shape {image.shape}, expected (X, Y, Z). {ORIGINAL}")
            _require_orientation(path, image)
            turn = io_orientation(image.affine)
            affine = image.affine @ inv_ornt_aff(turn, image.shape[:3])
            return cls(_turned(image.shape, turn), np.asarray(affine, dtype=np.float64), path)

    def turn(self, path: Path, image: SpatialImage, series: tuple[int, ...] = ()) -> np.ndarray:
        """Find the orientation that brings an image into this frame's order (`apply_orientation`).

        Parameters
        ----------
        series : the image's shape after its first three axes

        Raises
        ------
        InputError
            The image has another grid, no orientation in its header, or voxels at other positions.
        """
        if image.ndim < 3:
            require_grid(path, image.shape, self.shape, self.path, self.hint)
        _require_orientation(path, image, self.hint)
        turn = io_orientation(np.linalg.inv(self.affine) @ image.affine)
        expected = (*self.shape, *series)
        require_grid(path, _turned(image.shape, turn), expected, self.path, self.hint)
        found = image.affine @ inv_ornt_aff(turn, image.shape[:3])
        corners = np.array([np.zeros(3), *(np.diag(self.shape) - np.eye(3))])
        theirs, ours = apply_affine(found, corners), apply_affine(self.affine, corners)
        if not np.allclose(theirs, ours, rtol=0, atol=TOLERANCE):
            raise InputError(
                f"{path}: its voxels do not lie where those of {self.path} do: the affine is "
                f"{_rounded(found)}, expected {_rounded(self.affine)}. The file is of another "
                f"space, or was resampled or moved. {self.hint or ORIGINAL}"
            )
        return turn

    def check(self, path: Path) -> None:
        """Raise, by the header alone, if a volume (X, Y, Z) is not of this frame."""
        with open_image(path, self.hint) as image:
            self.turn(path, image)

    def read(self, path: Path, series: tuple[int, ...] = ()) -> np.ndarray:
        """Read a volume (X, Y, Z, …) in this frame's order; raises as `turn` does."""
        with open_image(path, self.hint) as image:
            turn = self.turn(path, image, series)
            return apply_orientation(np.asanyarray(image.dataobj), turn)


def _turned(shape: tuple[int, ...], turn: np.ndarray) -> tuple[int, ...]:
    """Return the shape of an image after `apply_orientation`."""
    order = np.argsort(turn[:, 0])
    return (*(int(shape[axis]) for axis in order), *shape[3:])


def _require_orientation(path: Path, image: SpatialImage, hint: str | None = None) -> None:
    """Raise if a header has no positions of the voxels, or contradictory ones."""
    hint = hint or ORIGINAL
    if not isinstance(image, nibabel.Nifti1Pair):
        raise InputError(f"{path}: not a NIfTI image. {hint}")
    forms = [image.get_sform(coded=True), image.get_qform(coded=True)]
    affines = [affine for affine, code in forms if code]
    if not affines:
        raise InputError(
            f"{path}: no orientation in its header (sform and qform code 0), so that left and "
            f"right are unknown. {hint}"
        )
    if np.linalg.matrix_rank(image.affine) < 4:
        raise InputError(f"{path}: a singular affine, {_rounded(image.affine)}. {hint}")
    if not np.allclose(affines[0], affines[-1], rtol=0, atol=TOLERANCE):
        raise InputError(
            f"{path}: sform {_rounded(affines[0])} and qform {_rounded(affines[1])} of its header "
            f"disagree. {hint}"
        )


def _rounded(affine: np.ndarray) -> list[list[float]]:
    return np.round(affine[:3], 3).tolist()
