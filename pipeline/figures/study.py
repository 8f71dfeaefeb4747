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
from pipeline.figures.rois import (
    MIN_EXPLAINABLE,
    component_bars,
    mean_ceilings,
    model_bars,
    model_strips,
    unique_bars,
)
from pipeline.figures.style import Images, StudyFigure
from pipeline.tables.tables import LEAST_RELIABILITY
from pipeline.tables.voxels import read_voxels


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
    spaces = study.coloured_spaces
    main = {
        name: tables[name][tables[name]["variant"] == WHOLE]
        for name in ("correlations", "partitions")
    }
    yield from _model_figures(study, spaces, main["correlations"], voxels)
    ceilings = mean_ceilings(main["correlations"])
    for comparison, compared in study.comparisons.items():
        rows = main["partitions"].query("comparison == @comparison")
        yield from _comparison_figures(comparison, compared, spaces, rows, ceilings, voxels)
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
            "Variance that this analysis recovered, against variance that it could find in the "
            "simulated responses: a point per subject, group of voxels and part of the variance. "
            "On the line both are equal.",
            recovery_scatter(recovery, spaces),
        )


def _model_figures(
    study: Configuration, spaces: Sequence[str], correlations: pd.DataFrame, voxels: Sequence[Path]
) -> Iterator[StudyFigure]:
    yield StudyFigure(
        "correlations",
        "models",
        "Test correlation",
        "How well each feature space alone predicts the responses to new images: correlation (r) "
        "of measured and predicted responses, mean over the voxels of a region. Bars: means over "
        "subjects; points: single subjects; dashed: the highest correlation that noise permits, "
        "mean over voxels of √(noise ceiling), where ceilings estimated below 0 count as 0.",
        model_bars(correlations, study.models, spaces),
    )
    yield StudyFigure(
        "normalised_correlations",
        "models",
        "Fraction of what can be explained",
        "How close each feature space comes to what noise permits: mean correlation with new "
        "responses, divided by the highest correlation to expect, √(noise ceiling); 1 would be a "
        f"perfect model. Only voxels with a reliability of at least {LEAST_RELIABILITY} are taken "
        f"(n), and regions with at least {MIN_EXPLAINABLE} of them; both numbers are estimates, so "
        "values above 1 can occur. Points: single subjects; lines: means over subjects.",
        model_strips(
            *(correlations, study.models, spaces),
            value="mean_normalised_r",
            label="r / √(noise ceiling)",
        ),
    )
    first = study.models[0]
    columns = ["subject", "noise_ceiling", "r", "r2"]
    # voxels without a score are left out, as in the tables
    parts = [read_voxels(path, columns, [first]).dropna(subset=["r", "r2"]) for path in voxels]
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
    ceilings: Mapping[tuple[str, str], float],
    voxels: Sequence[Path],
) -> Iterator[StudyFigure]:
    yield StudyFigure(
        f"components_{comparison}",
        "comparisons",
        comparison,
        "What only one feature space predicts, and what several can predict equally well (test R², "
        "which can be negative); the bars of a region add up to R² of the model with all these "
        "spaces. Variance that two spaces share has the colour of one, hatched in that of the "
        "other; what more of them share is grey. Bars: means over subjects; points: single "
        "subjects.",
        component_bars(rows, compared, spaces, ceilings),
    )
    yield StudyFigure(
        f"unique_{comparison}",
        "comparisons",
        comparison,
        "What only each feature space predicts in a region: the test R² that the model with all "
        "compared spaces loses without it. Points: single subjects; lines: means over subjects.",
        unique_bars(rows, compared, spaces, ceilings),
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
    frame = read_voxels(path, ["voxel", "model", "r2", "noise_ceiling"], [first, second])
    r2 = frame.pivot(index="voxel", columns="model", values="r2")
    ceiling = frame.drop_duplicates("voxel").set_index("voxel")["noise_ceiling"].reindex(r2.index)
    return r2[first].to_numpy(), r2[second].to_numpy(), ceiling.to_numpy()
