"""Figures of a study, and their captions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pipeline.analyses.parts import parts
from pipeline.analyses.registry import ANALYSES
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
    """Yield every figure of a study, drawn one at a time.

    Parameters
    ----------
    tables : {name: table}
    voxels : Parquet file of models' voxels of each subject
    images : function that reads stimuli
    """
    # the order of colours
    spaces = list(dict.fromkeys([*study.models, *study.used_spaces]))
    main = {
        name: tables[name].query("variant == @WHOLE") for name in ("correlations", "partitions")
    }
    yield from _model_figures(study, spaces, main["correlations"], voxels)
    for comparison, compared in study.comparisons.items():
        rows = main["partitions"].query("comparison == @comparison")
        yield from _comparison_figures(comparison, compared, spaces, rows, voxels)
    filled = {name: table for name, table in tables.items() if len(table)}
    for name, module in parts("figures").items():
        for one in module.study_figures(filled, images, spaces):
            yield replace(one, page=one.page or ANALYSES[name].page)
    recovery = tables.get("recovery")
    if recovery is not None and len(recovery):
        yield StudyFigure(
            "recovery",
            "validation",
            "Recovered against planted variance",
            "Variance that the pipeline recovered against variance that was planted in the "
            "simulation: one point per subject, voxel group and component.",
            recovery_scatter(recovery, spaces),
        )


def _model_figures(
    study: Configuration, spaces: Sequence[str], correlations: pd.DataFrame, voxels: Sequence[Path]
) -> Iterator[StudyFigure]:
    yield StudyFigure(
        "correlations",
        "models",
        "Test correlation",
        "Mean test correlation (Pearson r) per region and single feature space. Bars: means over "
        "subjects; points: single subjects.",
        model_bars(correlations, study.models, spaces),
    )
    yield StudyFigure(
        "normalised_correlations",
        "models",
        "Fraction of what can be explained",
        "Mean test correlation divided by mean √(noise ceiling), its upper bound, over voxels "
        f"with a reliability of at least {LEAST_RELIABILITY}; not clipped, so values above 1 can "
        "occur. Points: single subjects; dashes: means over subjects.",
        model_strips(
            *(correlations, study.models, spaces),
            value="mean_normalised_r",
            label="mean r / √(noise ceiling)",
        ),
    )
    first = study.models[0]
    columns = ["subject", "noise_ceiling", "r", "r2"]
    # voxels without a score are left out, as in the tables
    parts = [_read(path, columns, [first]).dropna(subset=["r", "r2"]) for path in voxels]
    yield StudyFigure(
        "noise_ceilings",
        "models",
        "Noise ceilings",
        "Distribution over voxels of the noise ceiling: the explainable fraction of the variance "
        "of the responses to the test images, given their numbers of repeats.",
        ceiling_histograms(
            {part["subject"].iloc[0]: part["noise_ceiling"].to_numpy() for part in parts}
        ),
    )


def _comparison_figures(
    comparison: str,
    compared: Sequence[str],
    spaces: Sequence[str],
    rows: pd.DataFrame,
    voxels: Sequence[Path],
) -> Iterator[StudyFigure]:
    yield StudyFigure(
        f"components_{comparison}",
        "comparisons",
        comparison,
        "Unique and shared variance (test R²) per region, which can be negative; components sum to "
        "R² of the joint model. Variance shared by two spaces has the colour of one and hatching "
        "in the colour of the other. Bars: means over subjects; points: single subjects.",
        component_bars(rows, compared, spaces),
    )
    yield StudyFigure(
        f"unique_{comparison}",
        "comparisons",
        comparison,
        "Unique variance (test R²) per region. Points: single subjects; dashes: means over "
        "subjects.",
        unique_bars(rows, compared, spaces),
    )
    names = (compared[0], compared[1])
    parts = [_two_models(path, *names) for path in voxels]
    first, second, ceiling = (np.concatenate(column) for column in zip(*parts, strict=True))
    yield StudyFigure(
        f"models_{comparison}",
        "comparisons",
        comparison,
        f"Test R² of {names[0]} against {names[1]}, each fitted alone, over all subjects' "
        "voxels: number of voxels (left) and their mean noise ceiling (right). The half percent "
        "of voxels with the lowest R² may lie outside the axes.",
        model_against_model(first, second, ceiling, names),
    )


def _two_models(path: Path, first: str, second: str) -> tuple[np.ndarray, ...]:
    """Read R² of two models in a subject's voxels, and the noise ceiling."""
    frame = _read(path, ["voxel", "model", "r2", "noise_ceiling"], [first, second])
    r2 = frame.pivot(index="voxel", columns="model", values="r2")
    ceiling = frame.drop_duplicates("voxel").set_index("voxel")["noise_ceiling"].reindex(r2.index)
    return r2[first].to_numpy(), r2[second].to_numpy(), ceiling.to_numpy()


def _read(path: Path, columns: Sequence[str], models: Sequence[str]) -> pd.DataFrame:
    filters = [("variant", "=", WHOLE), ("model", "in", list(models))]
    verify_with_metadata(path)
    return pd.read_parquet(path, columns=[*columns], filters=filters)
