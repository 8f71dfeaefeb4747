"""Fit the encoding models of every subset of some feature spaces, and score them on test images."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from encoding.banded_ridge import draw_band_weights, fit_banded_ridge
from encoding.noise_ceiling import noise_ceiling
from encoding.partition import model_name, subsets
from encoding.preparation import FeatureScaling
from encoding.scores import correlation_score, r2_score
from pipeline.configuration import AlphaGrid
from pipeline.errors import InputError, run_stage
from pipeline.storage import (
    Result,
    make_provenance,
    positions,
    read_provenance,
    read_result,
    read_table,
    write_result,
)

EDGE_SHARE = 0.05


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spaces", required=True, nargs="+")
    parser.add_argument("--features", required=True, nargs="+", type=Path)
    parser.add_argument("--responses", required=True, type=Path)
    parser.add_argument("--split", required=True, type=Path)
    parser.add_argument("--configuration", required=True, type=json.loads)
    parser.add_argument("--out", required=True, type=Path)
    arguments = parser.parse_args()
    settings = arguments.configuration
    split = read_table(arguments.split)
    test = (split["set"] == "test").to_numpy()
    nsd_id, fold = split["nsd_id"].to_numpy(), split["fold"].to_numpy()[~test]
    measured = read_result(arguments.responses)
    rows = positions(measured["nsd_id"], nsd_id, arguments.responses, str(arguments.split))
    responses = measured["responses"][rows]
    spaces = dict(zip(arguments.spaces, arguments.features, strict=True))
    bands = {name: _scaled(path, nsd_id, test, arguments) for name, path in spaces.items()}
    arrays: dict[str, object] = {
        "voxel": measured["voxel"],
        "grid_shape": measured["grid_shape"],
        "test_nsd_id": nsd_id[test],
        "noise_ceiling": noise_ceiling(
            measured["ncsnr"], measured["n_valid_repeats"][rows][test]
        ).astype(np.float32),
        "models": [model_name(subset) for subset in subsets(arguments.spaces)],
    }
    alphas = AlphaGrid.model_validate(settings["alphas"]).values()
    for subset in tqdm(subsets(arguments.spaces), desc=model_name(arguments.spaces), unit="model"):
        candidates = draw_band_weights(
            len(subset), settings["band_weight_samples"], settings["seed"]
        )
        fit = fit_banded_ridge(
            {name: bands[name][~test] for name in subset},
            responses[~test],
            fold,
            alphas,
            candidates,
        )
        _tell_edges(model_name(subset), fit.alpha, alphas)
        predicted = fit.predict({name: bands[name][test] for name in subset})
        arrays |= {
            f"{model_name(subset)}/{key}": np.asarray(values, dtype=np.float32)
            for key, values in {
                "r": correlation_score(responses[test], predicted),
                "r2": r2_score(responses[test], predicted),
                "cv_score": fit.cv_score,
                "alpha": fit.alpha,
                "band_weights": fit.band_weights,
            }.items()
        }
    write_result(arguments.out, arrays, _provenance(arguments, spaces, measured, test))


def _tell_edges(model: str, picked: np.ndarray, alphas: np.ndarray) -> None:
    """Penalties at the end of the grid say that the grid may be too short."""
    picked = picked[np.isfinite(picked)]
    for name, edge in (("smallest", alphas.min()), ("largest", alphas.max())):
        share = np.isclose(picked, edge, rtol=1e-3).mean() if len(picked) else 0.0
        if share > EDGE_SHARE:
            tqdm.write(f"{model}: {share:.0%} of voxels pick the {name} alpha, {edge:g}")


def _scaled(
    path: Path, nsd_id: np.ndarray, test: np.ndarray, arguments: argparse.Namespace
) -> np.ndarray:
    """Features of the split's images, scaled by what the training images tell."""
    result = read_result(path, ["features", "nsd_id"])
    rows = positions(result["nsd_id"], nsd_id, path, str(arguments.split))
    features = result["features"][rows]
    try:
        return FeatureScaling.fit(features[~test]).transform(features)
    except ValueError as error:
        raise InputError(f"{path}: {error}. Choose another layer or network.") from error


def _provenance(
    arguments: argparse.Namespace, spaces: dict[str, Path], measured: Result, test: np.ndarray
) -> dict[str, object]:
    subject = measured.provenance["configuration"]["subject"]
    return make_provenance(
        "fit_encoding_models",
        {
            "subject": subject,
            "spaces": list(spaces),
            "untrained_spaces": [
                name for name, path in spaces.items() if read_provenance(path)["untrained"]
            ],
            "n_train": int(np.count_nonzero(~test)),
            "n_test": int(np.count_nonzero(test)),
            **arguments.configuration,
        },
        {"responses": arguments.responses, "split": arguments.split, **spaces},
        seed=arguments.configuration["seed"],
    )


if __name__ == "__main__":
    run_stage(main)
