"""The report: one page that holds its figures and tables, and opens without internet."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from tqdm import tqdm

from encoding.partition import COMPONENT_SEPARATOR, MODEL_SEPARATOR, subsets
from pipeline.configuration import Configuration
from pipeline.maps.files import bids_label, sidecar_path
from pipeline.report import figures
from pipeline.report.methods import methods_paragraphs
from pipeline.report.views import BrainView
from pipeline.storage import Result
from pipeline.tables.columns import COLUMNS

TEMPLATES = Path(__file__).parent
TABLE_TITLES = {
    "best_voxels": "Best voxels per model",
    "correlations": "Correlations per ROI and model",
    "partitions": "Variance partitions per ROI and contrast",
    "group": "Unique and shared variance, tested over subjects",
}


@dataclass(frozen=True)
class ReportInputs:
    """What the report shows.

    Attributes
    ----------
    maps : {subject: folder of its maps}
    views : {subject: how its maps are shown}
    tables, validation : {name: table}; `calibration`, and for simulated data `recovery` and
        `null_voxels`, are the validation
    partitions : {contrast: results of all subjects}
    provenance : of the tables
    """

    study: Configuration
    maps: dict[str, Path]
    views: dict[str, BrainView]
    tables: dict[str, pd.DataFrame]
    validation: dict[str, pd.DataFrame]
    partitions: dict[str, list[Result]]
    provenance: dict[str, Any]


def write_report(inputs: ReportInputs, directory: Path) -> None:
    """Write index.html and the interactive views it links to."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "views").mkdir(exist_ok=True)
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True)
    study = inputs.study
    single = _single_models(inputs)
    rois = inputs.tables["correlations"].query("model in @study.models")
    page = environment.get_template("page.html.j2").render(
        study=study.study,
        models=study.models,
        banners=banners(inputs.provenance),
        cards=_cards(inputs.tables["best_voxels"].query("model in @study.models")),
        roi_correlations=figures.data_uri(
            figures.roi_bars(rois, "model", study.models, "mean_r", "mean test correlation")
        ),
        subjects=[
            _subject(inputs, name, directory, single) for name in tqdm(inputs.maps, "report")
        ],
        contrasts=[_contrast(inputs, name) for name in inputs.partitions],
        validation=_validation(inputs.validation),
        tables=[
            {"title": title, "html": html_table(inputs.tables[name])}
            for name, title in TABLE_TITLES.items()
        ],
        methods=methods_paragraphs(study),
        configuration=yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False),
        provenance=json.dumps(inputs.provenance, indent=2, sort_keys=True),
    )
    (directory / "index.html").write_text(page)


def banners(provenance: dict[str, Any]) -> list[str]:
    """What a reader must know before the first figure."""
    texts = []
    if provenance["simulated"]:
        texts.append("Simulated data: no brain was measured. Responses have planted, known truth.")
    if provenance["untrained"]:
        names = ", ".join(provenance["untrained"])
        texts.append(f"Untrained weights: {names}. They say nothing about the trained networks.")
    return texts


def html_table(table: pd.DataFrame) -> Markup:
    """A sortable table, its heads explained."""
    heads = "".join(
        f'<th title="{html.escape(COLUMNS[name], quote=True)}">{html.escape(name)}</th>'
        for name in table
    )
    rows = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in table.itertuples(index=False))
    return Markup(f"<table><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table>")


def _headed(view: str, title: str, path: Path) -> str:
    """A view with a heading: what it shows, and what it must say of its data when opened alone."""
    account = json.loads(sidecar_path(path).read_text())
    remarks = banners({"simulated": account["Simulated"], "untrained": account["UntrainedSpaces"]})
    style = "font-family: system-ui, sans-serif; margin: 0.5rem 1rem"
    lines = [f"<b>{html.escape(title)}</b>", *map(html.escape, remarks)]
    return view.replace("<body>", f'<body><p style="{style}">{"<br>".join(lines)}</p>', 1)


def _cell(value: object) -> str:
    if isinstance(value, str):
        text = html.escape(value, quote=True)
        return f'<td class="text" data-value="{text}">{text}</td>'
    shown = f"{value:.3f}" if isinstance(value, float) else str(value)
    return f'<td data-value="{value}">{"n/a" if shown == "nan" else shown}</td>'


def _cards(best: pd.DataFrame) -> list[dict[str, str]]:
    rows = best.sort_values("best_r", ascending=False).groupby("model", sort=False).head(1)
    return [
        {
            "value": f"r = {row.best_r:.2f}",
            "label": f"{row.model}: best voxel ({row.subject}), R² {row.best_r2:.2f}; "
            f"{row.weights.split(':')[0]}",
        }
        for row in rows.itertuples()
    ]


def _paths(inputs: ReportInputs, subject: str, entities: str) -> list[Path]:
    space = inputs.study.responses.space
    return inputs.views[subject].paths(inputs.maps[subject], subject, space, entities)


def _single_models(inputs: ReportInputs) -> dict[str, str]:
    return {model: f"model-{bids_label(model)}_stat-r" for model in inputs.study.models}


def _unique_maps(inputs: ReportInputs) -> dict[str, str]:
    return {
        f"{contrast}: {space}": f"contrast-{bids_label(contrast)}_component-{bids_label(space)}"
        "_stat-unique"
        for contrast, spaces in inputs.study.contrasts.items()
        for space in spaces
    }


def _limit(inputs: ReportInputs, entities: Sequence[str]) -> float:
    paths = [_paths(inputs, subject, e) for subject in inputs.maps for e in entities]
    return figures.shared_limit(list(itertools.chain.from_iterable(paths)))


def _subject(
    inputs: ReportInputs, subject: str, directory: Path, single: dict[str, str]
) -> dict[str, Any]:
    view, unique = inputs.views[subject], _unique_maps(inputs)
    drawn, limits = {}, {}
    for kind, maps, label in (
        ("correlation_maps", single, "test correlation"),
        ("unique_maps", unique, "unique variance (test R²)"),
    ):
        if not maps:
            continue
        paths = {title: _paths(inputs, subject, entities) for title, entities in maps.items()}
        limit = _limit(inputs, list(maps.values()))
        limits |= dict.fromkeys(maps.values(), limit)
        drawn[kind] = figures.data_uri(view.picture(paths, limit, label), "png")
    means = inputs.tables["correlations"].query("subject == @subject and roi == 'all'")
    means = means[means["model"].isin(inputs.study.models)].set_index("model")["mean_r"]
    best = means.idxmax()
    linked = {f"test correlation, {best}": single[best], **unique}
    links = []
    for title, entities in linked.items():
        paths = _paths(inputs, subject, entities)
        page = _headed(view.page(paths, limits[entities]), f"{subject}: {title}", paths[0])
        file = f"views/{subject}_{entities}.html"
        (directory / file).write_text(page)
        links.append({"file": file, "title": title, "page": page})
    return {
        "name": subject,
        "caption": view.caption,
        **drawn,
        "view": links[0]["page"],
        "view_title": links[0]["title"],
        "links": links[1:],
    }


def _contrast(inputs: ReportInputs, name: str) -> dict[str, Any]:
    spaces = inputs.study.contrasts[name]
    table = inputs.tables["partitions"].query("contrast == @name and component != 'joint'")
    results = inputs.partitions[name]
    stacked = {
        model: np.concatenate([result[f"r2/{model}"] for result in results])
        for model in (*spaces, MODEL_SEPARATOR.join(spaces))
    }
    joint = stacked[MODEL_SEPARATOR.join(spaces)]
    parts = np.max([stacked[space] for space in spaces], axis=0)
    return {
        "name": name,
        "spaces": spaces,
        "bars": figures.data_uri(
            figures.roi_bars(
                table,
                "component",
                [COMPONENT_SEPARATOR.join(subset) for subset in subsets(spaces)],
                "mean_variance",
                "mean variance (test R²)",
            )
        ),
        "pair": f"{spaces[0]} against {spaces[1]}",
        "scatter": figures.data_uri(
            figures.model_scatter(stacked[spaces[0]], stacked[spaces[1]], (spaces[0], spaces[1]))
        ),
        "joint_below": int(np.count_nonzero(joint < parts)),
        "n_voxels": int(np.count_nonzero(np.isfinite(joint))),
    }


def _validation(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """Experiments of known truth for every study; what was planted, for a simulated one."""
    shown: dict[str, Any] = {name: html_table(table) for name, table in tables.items()}
    calibration, recovery = tables["calibration"], tables.get("recovery", pd.DataFrame())
    shown["n_off"] = int((calibration["verdict"] == "off").sum())
    shown["n_judged"] = int((calibration["verdict"] != "shown").sum())
    if len(recovery):
        shown["figure"] = figures.data_uri(figures.recovery_scatter(recovery))
    return shown
