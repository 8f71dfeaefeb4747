"""A dataset of plain matrices: all that the core needs of one, in fifty lines."""

from pathlib import Path

import nibabel
import numpy as np
import pandas as pd

from pipeline.dataset.images import Images
from pipeline.dataset.responses import AveragedResponses, Responses


class MatrixImages(Images):
    """`pictures.npy`, `labels.npy` (image, …); `shared.npy`, `<subject>/images.npy` (image,)."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.size = folder, np.load(folder / "pictures.npy", mmap_mode="r").shape[1:3]

    def seen(self, subject):
        return np.load(self.folder / subject / "images.npy")

    def shared(self):
        return np.load(self.folder / "shared.npy")

    def pictures(self, nsd_id, batch_size):
        for start in range(0, len(nsd_id), batch_size):
            pictures = np.load(self.folder / "pictures.npy", mmap_mode="r")
            yield pictures[nsd_id[start : start + batch_size]]

    def labels(self, nsd_id):
        return {"category": pd.DataFrame(np.load(self.folder / "labels.npy")[nsd_id])}


class MatrixResponses(Responses):
    """`responses.npy` (image, voxel of `mask.nii.gz`) of a subject, perhaps `ceilings.npy`."""

    def __init__(self, folder: Path, subject: str, settings: dict) -> None:
        self.folder, mask = folder / subject, nibabel.load(folder / subject / "mask.nii.gz")
        self.nsd_id, self.voxel = np.load(self.folder / "images.npy"), np.flatnonzero(mask.dataobj)
        self.geometry = {"grid_shape": np.array(mask.shape), "affine": mask.affine}

    def averaged(self, voxel):
        columns = np.searchsorted(self.voxel, voxel)
        responses = np.load(self.folder / "responses.npy", mmap_mode="r")[:, columns]
        return AveragedResponses.without_repeats(self.nsd_id, responses)

    def ncsnr(self):
        path = self.folder / "ceilings.npy"
        return np.sqrt(1 / (1 / np.load(path) - 1)) if path.exists() else None
