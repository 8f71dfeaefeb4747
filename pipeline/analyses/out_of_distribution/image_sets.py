"""Sets of images on which models are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from encoding.inference.bootstrap import count_drawn, draw_images

# names in results; other sets are classes of images
IN, OUT, NOT_GREY = "in distribution", "all", "all but grey images"


@dataclass(frozen=True)
class ImageSet:
    """Some images, and how they are drawn.

    Attributes
    ----------
    rows : (image,) rows of the images in their responses
    counts : (draw, image) how often each is in a draw
    n_drawn : number of images, or of blocks of images, of a draw
    """

    rows: np.ndarray
    counts: np.ndarray
    n_drawn: int

    @classmethod
    def of(cls, rows: np.ndarray, draws: int, seed: int, blocks: np.ndarray | None) -> ImageSet:
        """Draw images, or blocks (image,) of images that resemble one another."""
        counts = draw_images(len(rows), draws, seed, blocks)
        return cls(rows, counts, count_drawn(len(rows), blocks))


def synthetic_sets(
    classes: Sequence[str], subclasses: Sequence[str], grey: np.ndarray, draws: int, seed: int
) -> dict[str, ImageSet]:
    """Return {name: images} of all images, those that are not grey, and each class.

    The images of a subclass are variants of one, and are drawn together.

    Parameters
    ----------
    classes, subclasses : of each image
    grey : (image,) bool
    """
    kinds = np.asarray(classes)
    chosen = {OUT: np.ones(len(kinds), bool), NOT_GREY: ~grey}
    chosen |= {name: kinds == name for name in dict.fromkeys(classes)}
    return {
        # other seeds: draws of different sets are independent
        name: ImageSet.of(
            np.flatnonzero(inside), draws, seed + number, np.asarray(subclasses)[inside]
        )
        for number, (name, inside) in enumerate(chosen.items(), start=1)
    }
