"""A feature space as it was when a model was fitted: its network, layers and reduction."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from scipy.sparse import csr_array

from pipeline.encoders.stimuli import SAME
from pipeline.results.storage import Result, open_result, read_result


class FittedSpace:
    """A feature space of a fitted model, with its reduction.

    Attributes
    ----------
    name : name of the space
    description : what the metadata of the encoder tell of it
    components : (layer feature, feature) float32 of its reduction; None without one
    offset : (feature,) float64, that the reduction subtracts from `layer @ components`
    """

    def __init__(
        self, result: Result, n_features: int, reduction: tuple[np.ndarray, np.ndarray] | None
    ) -> None:
        settings = result.configuration
        extraction = settings["extraction"]
        self.name = settings["space"]
        self.components: np.ndarray | None = None
        self.offset, width = np.zeros(n_features), n_features
        if reduction is not None:
            mean, self.components = reduction
            self.offset = mean.astype(np.float64) @ self.components
            width = len(mean)
        self.description: dict[str, Any] = {
            "name": self.name,
            "network": extraction["network"],
            "identity": {
                key: extraction[key] for key in (*SAME, "weights", "weights_label", "checkpoint")
            },
            "layers": settings["layers"],
            "pooling": settings.get("pooling"),
            "reduction": settings.get("reduction"),
            "width": width,
            "features": n_features,
        }

    @classmethod
    def read(cls, path: Path) -> FittedSpace:
        """Read the space of a file of features, but not the features."""
        with open_result(path) as file:
            names = [name for name in file if name.startswith("reduction_")]
            n_features = file["features"].shape[1]
        result = read_result(path, names)
        if "reduction_components" in names:
            components = result["reduction_components"]
        elif names:
            stored = "reduction_components"
            parts = tuple(result[f"{stored}_{part}"] for part in ("data", "indices", "indptr"))
            components = csr_array(parts, shape=tuple(result[f"{stored}_shape"])).toarray()
        else:
            return cls(result, n_features, None)
        return cls(result, n_features, (result["reduction_mean"], components))

    def reduced(self, layers: np.ndarray) -> np.ndarray:
        """Reduce features (image, layer feature) as the study reduced its own, if it did."""
        return layers if self.components is None else layers @ self.components - self.offset
