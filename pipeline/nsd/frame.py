"""Where the voxels of volumes are, whatever the order of axes in their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from nibabel.orientations import apply_orientation, inv_ornt_aff, io_orientation

from pipeline.errors import InputError
from pipeline.nsd.files import open_image, require_grid

# of headers' float32; no voxel moves by more than this many millimetres
TOLERANCE = 1e-2
ORIGINAL = "fetch the original from NSD."


@dataclass(frozen=True)
class Frame:
    """The grid and the place of volumes that share their voxels.

    Attributes
    ----------
    shape : (X, Y, Z)
    affine : (4, 4) voxel to millimetres
    path : of the file that they are compared with
    """

    shape: tuple[int, int, int]
    affine: np.ndarray
    path: Path

    @classmethod
    def of(cls, path: Path) -> Frame:
        """That of a file, its axes in NSD's order: to the right, to the front, upwards.

        NSD's HDF5 files have that order and no header to tell it.
        """
        with open_image(path) as image:
            if image.ndim != 3:
                raise InputError(f"{path}: shape {image.shape}, expected (X, Y, Z); {ORIGINAL}")
            _require_orientation(path, image)
            turn = io_orientation(image.affine)
            affine = image.affine @ inv_ornt_aff(turn, image.shape[:3])
            return cls(_turned(image.shape, turn), np.asarray(affine, dtype=np.float64), path)

    def turn(
        self, path: Path, image: nibabel.spatialimages.SpatialImage, series: tuple[int, ...] = ()
    ) -> np.ndarray:
        """How the axes of an image are brought to this frame's order, by `apply_orientation`.

        Parameters
        ----------
        series : the image's shape after its first three axes

        Raises
        ------
        InputError
            Another grid, no orientation in the header, or voxels that lie elsewhere, whatever the
            order of their axes.
        """
        if image.ndim < 3:
            require_grid(path, image.shape, self.shape, self.path)
        _require_orientation(path, image)
        turn = io_orientation(np.linalg.inv(self.affine) @ image.affine)
        require_grid(path, _turned(image.shape, turn), (*self.shape, *series), self.path)
        found = image.affine @ inv_ornt_aff(turn, image.shape[:3])
        corners = np.array([np.zeros(3), *(np.diag(self.shape) - np.eye(3))])
        moved = [nibabel.affines.apply_affine(affine, corners) for affine in (found, self.affine)]
        if not np.allclose(*moved, rtol=0, atol=TOLERANCE):
            raise InputError(
                f"{path}: its voxels do not lie where those of {self.path} do: the affine is "
                f"{_told(found)}, expected {_told(self.affine)}. The file is of another space, or "
                f"was resampled or moved; {ORIGINAL}"
            )
        return turn

    def check(self, path: Path) -> None:
        """Raise, by the header alone, if a volume (X, Y, Z) is not of this frame."""
        with open_image(path) as image:
            self.turn(path, image)

    def read(self, path: Path, series: tuple[int, ...] = ()) -> np.ndarray:
        """A whole volume (X, Y, Z, …) in this frame's order; raises as `turn` does."""
        with open_image(path) as image:
            turn = self.turn(path, image, series)
            return apply_orientation(np.asanyarray(image.dataobj), turn)


def _turned(shape: tuple[int, ...], turn: np.ndarray) -> tuple[int, ...]:
    """The shape of an image after `apply_orientation`."""
    order = np.argsort(turn[:, 0])
    return (*(int(shape[axis]) for axis in order), *shape[3:])


def _require_orientation(path: Path, image: nibabel.spatialimages.SpatialImage) -> None:
    """Raise if a header does not tell where the voxels are, or tells two places."""
    forms = [image.get_sform(coded=True), image.get_qform(coded=True)]
    told = [affine for affine, code in forms if code]
    if not told:
        raise InputError(
            f"{path}: no orientation in its header (sform and qform code 0), so that left cannot "
            f"be told from right; {ORIGINAL}"
        )
    if np.linalg.matrix_rank(image.affine) < 4:
        raise InputError(f"{path}: an affine without extent, {_told(image.affine)}; {ORIGINAL}")
    if not np.allclose(told[0], told[-1], rtol=0, atol=TOLERANCE):
        raise InputError(
            f"{path}: sform {_told(told[0])} and qform {_told(told[1])} of its header disagree; "
            f"{ORIGINAL}"
        )


def _told(affine: np.ndarray) -> list[list[float]]:
    return np.round(affine[:3], 3).tolist()
