"""Figures of the report: bars and scatters."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from pipeline.maps.files import read_map

# Okabe and Ito's colours, told apart by colour-blind readers
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
TICK_STEP = 0.05


def data_uri(figure: Figure, kind: str = "svg") -> str:
    """A figure as text that a page can hold."""
    buffer = io.BytesIO()
    figure.savefig(
        buffer,
        format=kind,
        dpi=110,
        bbox_inches="tight",
        metadata={"Date": None} if kind == "svg" else None,
    )
    plt.close(figure)
    media = {"svg": "image/svg+xml", "png": "image/png"}[kind]
    return f"data:{media};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def shared_limit(maps: Sequence[Path]) -> float:
    """One colour limit for all maps of a quantity: their 99.5th percentile of |value|, rounded."""
    values = np.concatenate([read_map(path).ravel() for path in maps])
    values = values[np.isfinite(values)]
    top = np.percentile(np.abs(values), 99.5) if len(values) else TICK_STEP
    return float(max(np.ceil(top / TICK_STEP), 1) * TICK_STEP)


def roi_bars(
    table: pd.DataFrame, rows: str, names: Sequence[str], value: str, label: str
) -> Figure:
    """Mean per ROI, one colour per model or component; a dot per subject.

    Parameters
    ----------
    table : columns subject, roi, `rows`, `value`, n_voxels
    rows : column that names the bars ("model", "component")
    names : the bars, in their order
    """
    rois = list(dict.fromkeys(table["roi"]))
    figure, axis = plt.subplots(figsize=(max(6.0, 1.35 * len(rois)), 3.2))
    width = 0.8 / len(names)
    for index, name in enumerate(names):
        part = table[table[rows] == name]
        means = part.groupby("roi")[value].mean().reindex(rois)
        x = np.arange(len(rois)) + (index - (len(names) - 1) / 2) * width
        axis.bar(
            *(x, means, width),
            color=COLOURS[index % len(COLOURS)],
            # names beyond the colours are told apart by hatching
            hatch="//" * (index // len(COLOURS)),
            edgecolor="white",
            linewidth=0,
            label=name,
        )
        for roi, position in zip(rois, x, strict=True):
            dots = part.loc[part["roi"] == roi, value]
            axis.plot(np.full(len(dots), position), dots, "k.", markersize=3)
    counts = table.groupby(["roi", "subject"])["n_voxels"].first().groupby("roi").sum()
    axis.set_xticks(range(len(rois)), [f"{roi}\nn={counts[roi]}" for roi in rois], fontsize=8)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.set_ylabel(label)
    axis.legend(
        fontsize=7, frameon=False, ncols=min(len(names), 4), loc="lower left", bbox_to_anchor=(0, 1)
    )
    axis.spines[["top", "right"]].set_visible(False)
    return figure


def model_scatter(first: np.ndarray, second: np.ndarray, names: tuple[str, str]) -> Figure:
    """R² of two models, voxel by voxel, as a two-dimensional histogram."""
    usable = np.isfinite(first) & np.isfinite(second)
    low = min(np.percentile(first[usable], 0.5), np.percentile(second[usable], 0.5), -0.05)
    high = max(first[usable].max(), second[usable].max(), 0.05)
    figure, axis = plt.subplots(figsize=(3.6, 3.2))
    drawn = axis.hexbin(
        second[usable],
        first[usable],
        gridsize=32,
        extent=(low, high, low, high),
        mincnt=1,
        # voxels without signal crowd at 0
        bins="log",
        cmap="cividis",
        linewidths=0,
    )
    axis.plot([low, high], [low, high], color="#888", linewidth=0.8)
    axis.set_xlabel(f"{names[1]}, test R²")
    axis.set_ylabel(f"{names[0]}, test R²")
    figure.colorbar(drawn, label=f"voxels (n={np.count_nonzero(usable)})")
    return figure


def recovery_scatter(table: pd.DataFrame) -> Figure:
    """Recovered against planted variance: one point per voxel group and component."""
    figure, axis = plt.subplots(figsize=(4.6, 4.0))
    for index, (component, part) in enumerate(table.groupby("component", sort=False)):
        colour = COLOURS[index % len(COLOURS)]
        marker = "os^Dv"[index // len(COLOURS) % 5]
        axis.plot(
            *(part["oracle"], part["recovered"], marker),
            color=colour,
            label=component,
            alpha=0.8,
        )
        axis.plot(part["perfect"], part["recovered"], "x", color=colour, alpha=0.5)
    ends = [table[["oracle", "perfect", "recovered"]].min().min(), table[["perfect"]].max().max()]
    axis.plot(ends, ends, color="#888", linewidth=0.8)
    axis.set_xlabel("planted variance (R²): ● oracle ridge, × perfect fit")
    axis.set_ylabel("recovered variance (R²)")
    axis.legend(fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    axis.spines[["top", "right"]].set_visible(False)
    return figure
