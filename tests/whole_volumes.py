"""Complete volumes in other spaces by NSD's transforms, with which maps are compared."""

from __future__ import annotations

import nibabel
import numpy as np

from pipeline.maps.volume import volume_image
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.sampling import sample, winner_take_all
from pipeline.nsd.transforms import mni_points, surface_points


def volume_to_native_surface(
    layout: NSDLayout, subject: str, space: str, hemisphere: str, volumes: np.ndarray
) -> np.ndarray:
    """Catmull-Rom at three cortical depths, averaged, as NSD made its surface betas."""
    points = surface_points(layout, subject, space, hemisphere)
    return np.mean([sample(volumes, depth) for depth in points], axis=0)


def labels_to_native_surface(
    layout: NSDLayout, subject: str, space: str, hemisphere: str, labels: np.ndarray
) -> np.ndarray:
    """Winner-take-all at the middle depth."""
    return winner_take_all(labels, surface_points(layout, subject, space, hemisphere)[1])


def volume_to_mni(
    layout: NSDLayout, subject: str, space: str, volume: np.ndarray, interpolation: str = "cubic"
) -> nibabel.Nifti1Image:
    """A volume (X, Y, Z) in MNI152; `interpolation` as in `sample`, or "labels"."""
    points, affine = mni_points(layout, subject, space)
    flat = points.reshape(-1, 3)
    labels = interpolation == "labels"
    values = winner_take_all(volume, flat) if labels else sample(volume, flat, interpolation)
    return volume_image(values.reshape(points.shape[:3]).astype(np.float32), affine, "mni")
