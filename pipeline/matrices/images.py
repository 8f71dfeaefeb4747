"""The images of a dataset of matrices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from pipeline.dataset.images import Images
from pipeline.dataset.kinds import IMAGES
from pipeline.errors import InputError
from pipeline.matrices.files import read_captions, read_images, read_shown
from pipeline.reading import reading

# fault and hint
NO_PICTURE = "not a picture", "Correct its path or write it again."


@dataclass(frozen=True)
class MatrixImages(Images):
    """Images of a table, which may have pictures and captions; no labels."""

    folder: Path
    table: pd.DataFrame

    @classmethod
    def open(cls, folder: Path) -> MatrixImages:
        """Open the images of a folder."""
        return cls(folder, read_images(folder))

    # a plain attribute of the base class, read when it is first needed
    @cached_property
    def size(self) -> tuple[int, int]:  # type: ignore[override]
        """Rows and columns of every picture: those of the first."""
        return self._picture(self.table.index[0]).shape[:2]

    def seen(self, subject: str) -> np.ndarray:
        """List the images that a subject saw."""
        return np.unique(read_shown(self.folder, subject))

    def shared(self) -> np.ndarray:
        """List the images that are marked as shared."""
        return self.table.index[self.table["shared"]].to_numpy()

    def pictures(self, nsd_id: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
        """Yield pictures in batches, which must all be of one size."""
        for start in range(0, len(nsd_id), batch_size):
            batch = nsd_id[start : start + batch_size]
            pictures = [self._picture(image) for image in batch]
            for image, picture in zip(batch, pictures, strict=True):
                self._require_size(self.folder / self.table.at[image, "picture"], picture.shape)
            yield np.stack(pictures)

    def require_pictures(self, nsd_id: np.ndarray) -> None:
        """Raise InputError if a picture is missing, is none, or has another size."""
        self._picture(nsd_id[0])
        paths = [self.folder / name for name in self.table.loc[nsd_id, "picture"]]
        if missing := [path for path in paths if not path.is_file()]:
            raise InputError(
                f"{missing[0]}: not found, and {len(missing) - 1} other pictures. Correct their "
                f"paths in {self.folder / IMAGES}, which are below its folder."
            )
        for path in paths:
            with reading(path, *NO_PICTURE), Image.open(path) as picture:
                self._require_size(path, (picture.height, picture.width))

    def texts(self, nsd_id: np.ndarray, kind: str) -> list[list[str]]:
        """Read the captions of each image."""
        if kind != "captions":
            return super().texts(nsd_id, kind)
        captions = read_captions(self.folder)
        of_image = captions.groupby("image")["caption"].apply(list)
        if len(lacking := np.setdiff1d(nsd_id, of_image.index)):
            raise InputError(
                f"{self.folder}: captions.tsv lacks {len(lacking)} images, first {lacking[0]}. Add "
                "a caption for each."
            )
        return of_image[nsd_id].tolist()

    def ids(self, kind: str) -> np.ndarray:
        """List the numbers of images, which `nsd_id` stands for."""
        if kind != "nsd_id":
            return super().ids(kind)
        return np.arange(self.table.index.max() + 1)

    def _require_size(self, path: Path, shape: tuple[int, ...]) -> None:
        if shape[:2] != self.size:
            raise InputError(
                f"{path}: has {_pixels(shape)} pixels, the first picture {_pixels(self.size)}. "
                "Crop or resize all to one size."
            )

    def _picture(self, image: int) -> np.ndarray:
        """Read a picture (row, column, RGB) uint8."""
        if "picture" not in self.table:
            raise InputError(
                f"{self.folder / IMAGES}: has no column picture, so that networks of images cannot "
                "run. Add the paths of pictures, or use features of your own."
            )
        path = self.folder / self.table.at[image, "picture"]
        with reading(path, *NO_PICTURE):
            return np.asarray(Image.open(path).convert("RGB"))


def _pixels(shape: tuple[int, ...]) -> str:
    return f"{shape[0]} × {shape[1]}"
