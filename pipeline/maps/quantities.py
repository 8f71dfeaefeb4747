"""Quantities that become maps, with their names and descriptions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from encoding.noise_ceiling import correlation_ceiling
from encoding.variance_partitioning import COMPONENT_SEPARATOR, model_name
from pipeline.fits.families import FAMILY
from pipeline.maps.files import bids_label
from pipeline.results.space_weights import is_untrained, weights_labels
from pipeline.results.storage import Result
from pipeline.tables.tables import LEAST_RELIABILITY

NO_SHARE = f"the reliability is below {LEAST_RELIABILITY} or the ceiling is not above 0"
DESCRIPTIONS = {
    "r": ("Pearson correlation of measured and predicted test responses", "correlation"),
    "r2": ("coefficient of determination of the test responses", "R²"),
    "normalisedR": (
        f"r / √(noise ceiling), not clipped; no value where {NO_SHARE}",
        "correlation / ceiling",
    ),
    "normalisedR2": (
        f"R² / (noise ceiling), not clipped; no value where {NO_SHARE}",
        "R² / ceiling",
    ),
    "cvScore": ("cross-validated R² of the training responses", "R²"),
    "alpha": ("ridge penalty selected by cross-validation", "penalty"),
    "bandWeight": ("weight of this feature space selected by cross-validation", "share"),
    "unique": ("variance of the test responses that only this feature space explains", "R²"),
    "shared": ("variance of the test responses that these feature spaces share", "R²"),
    "p": ("p of a test against chance, one-sided", "p"),
    "q": (f"false discovery rate (q) of a test against chance, over the {FAMILY}", "q"),
    "ceiling": (
        "noise ceiling: explainable fraction of the test responses' variance, signed",
        "R²",
    ),
    "correlationCeiling": (
        "upper bound of r: square root of the noise ceiling, 0 where that is below 0",
        "correlation",
    ),
    "preferredModel": (
        "single model with the best cross-validated R²; no value where the reliability is below "
        f"{LEAST_RELIABILITY}",
        "label",
    ),
    "roi": ("labels of the ROI collection, both hemispheres", "label"),
}


# folder of the maps of a subject that belong to no model or comparison
OF_SUBJECT = "subject"
# maps that depend on the data alone, not on a model
CEILINGS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "ceiling": np.asarray,
    "correlationCeiling": correlation_ceiling,
}
# {quantity: array of a fit}
FITTED = {"r": "r", "r2": "r2", "cvScore": "cv_score", "alpha": "alpha"}


@dataclass(frozen=True)
class VoxelMap:
    """Values of one map, before they are written.

    Attributes
    ----------
    quantity : a key of `DESCRIPTIONS`, or of an analysis' `QUANTITIES`
    name : the encoding model, the network whose layers are compared, the component of a comparison,
        or the ROI collection
    comparison : the comparison, None for models and networks
    voxel : (voxel,) C-order indices
    values : (voxel,)
    weights : {feature space of the map: label of its weights}
    q : (voxel,) false discovery rates for an additional thresholded map
    band : feature space of a map of a joint model's band weights
    labels : {value: name} of maps of labels, which are never averaged
    named : beginning of the file name, if not made from name and comparison
    model : what its folder is named after, if neither the comparison nor `name`
    test : description of the test, for maps with a test
    """

    quantity: str
    name: str
    comparison: str | None
    voxel: np.ndarray
    values: np.ndarray
    weights: Mapping[str, str] = field(default_factory=dict)
    q: np.ndarray | None = None
    band: str | None = None
    labels: Mapping[int, str] | None = None
    named: str | None = None
    model: str | None = None
    test: str | None = None

    @classmethod
    def of(
        cls,
        result: Result,
        quantity: str,
        name: str,
        values: np.ndarray,
        spaces: Iterable[str] | None = None,
        **more: Any,
    ) -> VoxelMap:
        """Take comparison, voxels and feature spaces from the result of an analysis.

        Parameters
        ----------
        spaces : feature spaces of the map, if the result does not name them
        more : other attributes
        """
        settings = result.configuration
        weights = weights_labels(result.provenance, spaces or settings["spaces"])
        comparison = settings.get("comparison")
        return cls(quantity, name, comparison, result["voxel"], values, weights, **more)

    @property
    def untrained(self) -> tuple[str, ...]:
        """Feature spaces of the map whose weights are untrained."""
        return tuple(name for name, label in self.weights.items() if is_untrained(label))

    @property
    def folder(self) -> str:
        """Folder of its files, named after a comparison, a model or a network."""
        if self.quantity in (*CEILINGS, "preferredModel", "roi"):
            return OF_SUBJECT
        return self.comparison or self.model or self.name

    @property
    def entities(self) -> str:
        """Middle part of the file name."""
        if self.quantity == "roi":
            return f"seg-{bids_label(self.name)}"
        if self.quantity in (*CEILINGS, "preferredModel"):
            return f"stat-{self.quantity}"
        if self.named is not None:
            return f"{self.named}_stat-{self.quantity}"
        if self.comparison is not None:
            return (
                f"comparison-{bids_label(self.comparison)}_component-{bids_label(self.name)}"
                f"_stat-{self.quantity}"
            )
        band = "" if self.band is None else f"_band-{bids_label(self.band)}"
        return f"model-{bids_label(self.name)}{band}_stat-{self.quantity}"


def ceiling_maps(result: Result) -> Iterator[VoxelMap]:
    """Yield maps of the noise ceiling, which is the same for all fits of the same images."""
    for quantity, transform in CEILINGS.items():
        values = transform(result["noise_ceiling"])
        yield VoxelMap(quantity, "noise ceiling", None, result["voxel"], values)


def normalised_scores(result: Result) -> dict[str, np.ndarray]:
    """Divide a fit's r and R² by the noise ceiling, where voxels are reliable enough."""
    ceiling = result["noise_ceiling"]
    explainable = (result["reliability"] >= LEAST_RELIABILITY) & (ceiling > 0)
    bounds = np.where(explainable, ceiling, np.nan)
    return {
        "normalisedR": result["r"] / correlation_ceiling(bounds),
        "normalisedR2": result["r2"] / bounds,
    }


def encoding_maps(result: Result, significance: Result) -> Iterator[VoxelMap]:
    """Yield maps of a model's scores, tests and selected penalties and band weights."""
    voxel, tests = result["voxel"], significance.configuration["tests"]
    spaces = result.configuration["spaces"]
    model = model_name(spaces)
    weights = weights_labels(result.provenance, spaces)
    q = significance["q"]
    arrays = {
        **{quantity: result[key] for quantity, key in FITTED.items()},
        **normalised_scores(result),
        "p": significance["p"],
        "q": q,
    }
    for quantity, values in arrays.items():
        tested = q if quantity == "r" else None
        test = tests["models"] if quantity in ("r", "p", "q") else None
        yield VoxelMap(quantity, model, None, voxel, values, weights, tested, test=test)
    for space, values in result.by_label("band_weights").items():
        if len(spaces) > 1:
            yield VoxelMap("bandWeight", model, None, voxel, values, weights, band=space)


def partition_maps(result: Result, significance: Result) -> Iterator[VoxelMap]:
    """Yield maps of every component of a partition and of its test."""
    # a component depends on models of all the comparison's spaces
    weights = weights_labels(result.provenance, result.configuration["spaces"])
    test = significance.configuration["tests"]["components"]
    comparison, voxel = result.configuration["comparison"], result["voxel"]
    p, q = significance.by_label("p"), significance.by_label("q")
    for name, values in sorted(result.by_label("variance").items()):
        quantity = "shared" if COMPONENT_SEPARATOR in name else "unique"
        yield VoxelMap(quantity, name, comparison, voxel, values, weights, q[name], test=test)
        yield VoxelMap("p", name, comparison, voxel, p[name], weights, test=test)
        yield VoxelMap("q", name, comparison, voxel, q[name], weights, test=test)


def preferred_model_map(results: Mapping[str, Result]) -> VoxelMap:
    """Map the single model with the best cross-validated R², numbered from 1 in the given order.

    Parameters
    ----------
    results : {model: its fit}, all of the same voxels
    """
    first = next(iter(results.values()))
    scores = np.array([result["cv_score"] for result in results.values()])
    known = np.isfinite(scores).all(axis=0) & (first["reliability"] >= LEAST_RELIABILITY)
    best = np.where(known, np.argmax(np.nan_to_num(scores, nan=-np.inf), axis=0) + 1.0, np.nan)
    weights = {
        name: label
        for model, result in sorted(results.items())
        for name, label in weights_labels(result.provenance, [model]).items()
    }
    return VoxelMap(
        "preferredModel",
        "preferred model",
        None,
        first["voxel"],
        best,
        weights,
        labels=dict(enumerate(results, start=1)),
    )
