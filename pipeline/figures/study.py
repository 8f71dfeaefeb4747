"""Which figures a study has, and what is written under them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.analyses.parts import parts
from pipeline.configuration.settings import WHOLE
from pipeline.configuration.study import Configuration
from pipeline.figures.ceilings import ceiling_histograms
from pipeline.figures.models import model_against_model
from pipeline.figures.recovery import recovery_scatter
from pipeline.figures.rois import component_bars, model_bars, model_strips, unique_bars
from pipeline.figures.style import Images, StudyFigure
from pipeline.results.metadata import verify_with_metadata
from pipeline.tables.tables import LEAST_RELIABILITY


def study_figures(
    study: Configuration,
    tables: Mapping[str, pd.DataFrame],
    voxels: Sequence[Path],
    images: Images,
) -> Iterator[StudyFigure]:
    """Every figure of a study, drawn one at a time.

    Parameters
    ----------
    tables : {name: table}
    voxels : the Parquet of each subject
    images : reads pictures of the stimuli
    """
    whole = {
        name: tables[name].query("variant == @WHOLE") for name in ("correlations", "partitions")
    }
    yield from _of_models(study, whole["correlations"], voxels)
    for comparison, spaces in study.comparisons.items():
        rows = whole["partitions"].query("comparison == @comparison")
        yield from _of_comparison(comparison, spaces, rows, voxels)
    filled = {name: table for name, table in tables.items() if len(table)}
    for module in parts("figures").values():
        yield from module.study_figures(filled, images)
    recovery = tables.get("recovery")
    if recovery is not None and len(recovery):
        yield StudyFigure(
            "recovery",
            "validation",
            "Recovered against planted variance",
            "One point per subject, voxel group and component.",
            recovery_scatter(recovery),
        )


def _of_models(
    study: Configuration, correlations: pd.DataFrame, voxels: Sequence[Path]
) -> Iterator[StudyFigure]:
    yield StudyFigure(
        "correlations",
        "models",
        "Test correlation",
        "Mean test correlation (Pearson) per region and single feature space: bars are means over "
        "subjects, points subjects.",
        model_bars(correlations, study.models),
    )
    yield StudyFigure(
        "normalised_correlations",
        "models",
        "Share of what can be explained",
        f"Test correlation over its bound, r / √(noise ceiling), mean over mean, of voxels with a "
        f"reliability of at least {LEAST_RELIABILITY}; not clipped, so values above 1 can occur. A "
        "point per subject, a dash for their mean.",
        model_strips(correlations, study.models, "mean_normalised_r", "mean r / √(noise ceiling)"),
    )
    first = study.models[0]
    wanted = ["subject", "noise_ceiling", "r", "r2"]
    # voxels without a score, of too few images, are in no table: the same voxels here
    parts = [_read(path, wanted, [first]).dropna(subset=["r", "r2"]) for path in voxels]
    yield StudyFigure(
        "noise_ceilings",
        "models",
        "Noise ceilings",
        "Explainable share of the variance of the actual test responses, for their numbers of "
        "repeats.",
        ceiling_histograms(
            {part["subject"].iloc[0]: part["noise_ceiling"].to_numpy() for part in parts}
        ),
    )


def _of_comparison(
    comparison: str, spaces: Sequence[str], rows: pd.DataFrame, voxels: Sequence[Path]
) -> Iterator[StudyFigure]:
    yield StudyFigure(
        f"components_{comparison}",
        "comparisons",
        comparison,
        "Unique and shared variance per region, signed; components sum to R² of the joint model. "
        "What two spaces share has the colour of one and hatching in that of the other.",
        component_bars(rows, spaces),
    )
    yield StudyFigure(
        f"unique_{comparison}",
        "comparisons",
        comparison,
        "Unique variance alone: a point per subject, a dash for their mean.",
        unique_bars(rows, spaces),
    )
    parts = [_of_two(path, spaces[0], spaces[1]) for path in voxels]
    first, second, ceiling = (np.concatenate(column) for column in zip(*parts, strict=True))
    yield StudyFigure(
        f"models_{comparison}",
        "comparisons",
        comparison,
        f"Test R² of {spaces[0]} against {spaces[1]}, each alone, of all subjects' voxels: how "
        "many voxels (left) and their mean noise ceiling (right). Half a percent of voxels, of the "
        "lowest R², may lie outside.",
        model_against_model(first, second, ceiling, (spaces[0], spaces[1])),
    )


def _of_two(path: Path, first: str, second: str) -> tuple[np.ndarray, ...]:
    """R² of two models in a subject's voxels, and the noise ceiling."""
    frame = _read(path, ["voxel", "model", "r2", "noise_ceiling"], [first, second])
    r2 = frame.pivot(index="voxel", columns="model", values="r2")
    ceiling = frame.drop_duplicates("voxel").set_index("voxel")["noise_ceiling"].reindex(r2.index)
    return r2[first].to_numpy(), r2[second].to_numpy(), ceiling.to_numpy()


def _read(path: Path, columns: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    filters = [("variant", "=", WHOLE), ("model", "in", list(models))]
    verify_with_metadata(path)
    return pd.read_parquet(path, columns=[*columns], filters=filters)
