"""NIfTI volumes with consistent headers."""

from __future__ import annotations

import nibabel
import numpy as np


def volume_image(
    values: np.ndarray, affine: np.ndarray, frame: str = "scanner"
) -> nibabel.Nifti1Image:
    """Make an image whose header is consistent: voxel sizes in mm, sform and qform.

    Parameters
    ----------
    values : (X, Y, Z, …)
    affine : (4, 4) voxel to millimetres
    frame : NIfTI name of the coordinate frame: "mni", or "scanner" as in NSD's volumes
    """
    image = nibabel.Nifti1Image(values, affine)
    image.set_sform(affine, code=frame)
    image.set_qform(affine, code=frame)
    image.header.set_xyzt_units("mm")
    return image
