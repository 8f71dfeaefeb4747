"""Pages of a study: overview, models, comparisons, further analyses, validation, methods."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from markupsafe import Markup

from pipeline.analyses.registry import enabled
from pipeline.configuration.settings import FSAVERAGE, WHOLE
from pipeline.configuration.study import Configuration
from pipeline.dataset.anatomy import Anatomy
from pipeline.figures.colours import colour_tables
from pipeline.maps.files import INDEX, bids_label, map_files
from pipeline.report.cortex import (
    SURFACE_VIEWS,
    SurfaceMap,
    cortex_picture,
    has_view,
    surface_panels,
)
from pipeline.report.html import banners, html_table, read_figures
from pipeline.report.key_maps import key_pictures
from pipeline.report.links import page_links, title_of
from pipeline.report.meshes import small_surface
from pipeline.report.methods import (
    calibration_sentence,
    methods_paragraphs,
    references,
    search_sentence,
)
from pipeline.report.overview import (
    controls,
    data_sentence,
    methods_sentence,
    models_sentence,
    result_sentence,
    sure_sentences,
)
from pipeline.report.pictures import Picture
from pipeline.report.subject_page import SubjectMaps
from pipeline.report.templates import render
from pipeline.report.views import Scale, glass_picture, pair_scale
from pipeline.results.metadata import read_metadata, write_text
from pipeline.results.provenance import read_provenance
from pipeline.results.space_weights import weights_labels
from pipeline.results.storage import canonical
from pipeline.results.tables import described_columns, read_table
from pipeline.tables.document import every_column

# folder of pictures over subjects
GROUP = "views/group"
KEY_FIGURE = "normalised_correlations"
QUESTION = "Which network representation best explains how the brain responds to natural images?"
UNIQUE_TEXT = (
    "What only one of the compared feature spaces predicts: the test R² that is lost without it."
)
TABLES = {
    "models": {
        "correlations": "Correlations per region and model",
        "best_voxels": "Best voxels per model",
        "models": "Models compared over subjects",
    },
    "comparisons": {
        "partitions": "Variance partitions per region and comparison",
        "group": "Unique and shared variance, tested over subjects",
    },
    "validation": {
        "recovery": "Recovered against planted variance",
        "null_voxels": "Voxels without signal",
    },
}
MODELS_INTRO = (
    "One encoding model per feature space: it predicts each voxel's response to an image from the "
    "features that the network computes from it. Scores are of test images, which were not used "
    "for fitting. The noise ceiling is the part of the variance of the responses that repeats when "
    "an image is shown again; on average, no model can explain more."
)
COMPARISONS_INTRO = (
    "Two feature spaces often predict the same part of the responses. Unique variance of a space "
    "is what the test R² of the model with all spaces of the comparison loses without it; shared "
    "variance cannot be credited to one space alone. Values below 0 occur: by chance, or where the "
    "model with more spaces predicts new images worse than the one with fewer."
)
CALIBRATION_INTRO = (
    "Small simulated experiments, which have nothing to do with this study's data but are analysed "
    "with its settings, check three things: that 95 % intervals contain the true value as often as "
    "they claim, that tests find no more effects than chance allows where there are none, and that "
    "estimates are right on average. Biases that are known and cannot be avoided, such as that of "
    "near-duplicate images on both sides of the split, are listed but not judged."
)
VALIDATION_INTRO = (
    "The data are simulated, so the right answer is known: groups of voxels were given responses "
    "that follow from known feature spaces, with noise added. The figure compares the variance "
    "that this analysis recovered with two answers to the question of what it should find.",
    "Perfect: what a model that knows exactly how the responses were made explains, so that only "
    "noise limits it.",
    "Oracle: what ridge regression explains, fitted to the same limited number of images as here, "
    "if it is given the best possible penalties.",
    "The gap between perfect and oracle is the price of few images, not a fault of the analysis: "
    "with few images ridge regression finds less that is unique to a space, and more that is "
    "shared. On the diagonal, the mean over a group's voxels is recovered.",
)
NOT_CALIBRATED = (
    "Whether intervals contain the truth and tests find no more than chance where there is nothing "
    "has not been checked for the settings of this study; the command snakemake validate does so "
    "and adds the results to this page."
)
OTHERWISE_CALIBRATED = (
    "The simulated experiments with known truth were analysed with other settings than this study "
    "and are not displayed; `snakemake validate` repeats them."
)
NO_FURTHER_ANALYSES = "The configuration requests no analyses besides models and comparisons."
TIME_COLUMNS = {
    "job": "rule and wildcards",
    "seconds": "wall-clock time",
    "largest_memory_mb": "largest resident memory, MB",
}
INPUT_COLUMNS = {"input": "input", "file": "file name", "sha256": "SHA-256 of the file"}
SUBJECT_COLUMNS = (
    *("subject", "model", "best_r", "best_r2", "r_of_99th_percentile", "best_voxel"),
    *("best_voxel_rois", "best_voxel_ceiling"),
)


@dataclass(frozen=True)
class ReportInputs:
    """Inputs of the pages of a study.

    Attributes
    ----------
    maps : folder of maps of the first subject
    anatomy : anatomy of that subject
    tables : {name: file} of the study and of its validation
    figures : folder of figures with their index
    group_maps : folder of maps over subjects, None if there is none
    limits : {quantity: end of the colour scale}
    calibration : table of simulated experiments with known truth, None if there is none
    benchmarks : folder of Snakemake's measurements
    provenance : provenance of the tables
    audit : what the audit found
    directory : folder to write pages to
    """

    study: Configuration
    maps: Path
    anatomy: Anatomy
    tables: Mapping[str, Path]
    figures: Path
    group_maps: Path | None
    limits: Mapping[str, float]
    calibration: Path | None
    benchmarks: Path
    provenance: dict[str, Any]
    audit: Mapping[str, Any]
    directory: Path

    @cached_property
    def group_files(self) -> dict[tuple[str, str], list[Path]]:
        """{(space, entities): files} of every map over subjects."""
        if self.group_maps is None:
            return {}
        return map_files(self.group_maps, read_metadata(self.group_maps / INDEX)["maps"])

    @cached_property
    def group_pictures(self) -> dict[str, list[dict[str, Any]]]:
        """{comparison: its pictures over subjects}; each is drawn once."""
        return {
            comparison: [
                one.written(self.directory, GROUP) for one in _group_pictures(self, comparison)
            ]
            for comparison in self.study.comparisons
        }

    @cached_property
    def files(self) -> dict[str, Path]:
        """The tables, and the simulated experiments if analysed with this study's settings."""
        if self.calibration is None:
            return dict(self.tables)
        settings = read_provenance(self.calibration)["configuration"]
        if canonical(settings) != canonical(self.study.calibrated):
            return dict(self.tables)
        return {**self.tables, "calibration": self.calibration}

    @cached_property
    def frames(self) -> dict[str, pd.DataFrame]:
        """{name: rows of the study itself}, without those of variants."""
        return {name: _without_variants(read_table(path)) for name, path in self.files.items()}


def _without_variants(table: pd.DataFrame) -> pd.DataFrame:
    """Drop the rows of variants from a table."""
    if "variant" not in table:
        return table
    return table[table["variant"] == WHOLE].drop(columns="variant")


def write_study_pages(inputs: ReportInputs) -> None:
    """Write all pages except those of subjects."""
    # an output of the rule, whether or not there are maps of the group
    (inputs.directory / GROUP).mkdir(parents=True, exist_ok=True)
    writers = {
        "index": _index,
        "explorer": lambda inputs: _explorer(inputs.study),
        "models": _models,
        "comparisons": _comparisons,
        "further_analyses": _further_analyses,
        "validation": _validation,
        "methods": _methods,
    }
    study = inputs.study
    links = page_links(study.subjects)
    for link in links:
        name = link["file"].removesuffix(".html")
        if name in writers:
            template, values = writers[name](inputs)
            page = render(
                template,
                study=study.study,
                title=title_of(name),
                file=link["file"],
                pages=links,
                banners=banners(inputs.provenance),
                **values,
            )
            write_text(inputs.directory / link["file"], page)


def _index(inputs: ReportInputs) -> tuple[str, dict[str, Any]]:
    study, frames = inputs.study, inputs.frames
    drawn = {one["name"]: one for one in read_figures(inputs.figures)}
    first = next(iter(study.comparisons), None)
    single = frames["best_voxels"][frames["best_voxels"]["model"].isin(study.models)]
    unique = [drawn[f"unique_{first}"], drawn[f"components_{first}"]] if first else []
    calibrated = [_off(frames["calibration"])] if "calibration" in frames else []
    return "index.html.j2", {
        "heading": QUESTION,
        "answer": result_sentence(study, frames),
        "data": data_sentence(study, frames),
        "pictures": [one.written(inputs.directory, GROUP) for one in _key_pictures(inputs)],
        "subjects": study.subjects,
        "models": {"text": models_sentence(study, frames), "figures": [drawn[KEY_FIGURE]]},
        "unique": {"text": UNIQUE_TEXT, "figures": unique},
        "controls": controls(study),
        "sure": [*sure_sentences(frames, inputs.audit), *calibrated],
        "methods": methods_sentence(study),
        "best_voxels": html_table(single[[*SUBJECT_COLUMNS]]),
    }


def _key_pictures(inputs: ReportInputs) -> Iterator[Picture]:
    subject = read_metadata(inputs.maps / INDEX)["subject"]
    maps = SubjectMaps(inputs.study, inputs.anatomy, subject, inputs.maps, inputs.limits)
    return key_pictures(maps, inputs.group_files)


def _explorer(study: Configuration) -> tuple[str, dict[str, Any]]:
    level = f"{study.significance.level:.0%}".replace("%", " %")
    page = {
        "subjects": study.subjects,
        "level": level,
        "colours": colour_tables(),
    }
    return "explorer.html.j2", {
        "subjects": study.subjects,
        "level": level,
        "placeholder": "number or region",
        "page": json.dumps(page),
    }


def _models(inputs: ReportInputs) -> tuple[str, dict[str, Any]]:
    return _page(inputs, "models", [MODELS_INTRO])


def _comparisons(inputs: ReportInputs) -> tuple[str, dict[str, Any]]:
    template, values = _page(inputs, "comparisons", [COMPARISONS_INTRO])
    for section in values["sections"]:
        spaces = inputs.study.comparisons[section["title"]]
        section["figures"] += inputs.group_pictures[section["title"]]
        section["title"] = f"{section['title']}: {' × '.join(spaces)}"
    return template, values


def _group_pictures(inputs: ReportInputs, comparison: str) -> Iterator[Picture]:
    """Draw mean unique variance over subjects: glass brains, and pairs on fsaverage."""
    if inputs.group_maps is None:
        return
    study, limit = inputs.study, inputs.limits["unique"]
    spaces = study.comparisons[comparison]
    title = f"{comparison}: unique variance (test R²), mean over {len(study.subjects)} subjects"
    files = "t-maps and thresholded maps are in maps/group."
    if "MNI152" in study.map_spaces:
        volumes = {f"unique {n}": _group_files(inputs, comparison, n, "MNI152")[0] for n in spaces}
        yield Picture(
            f"{comparison}_MNI152",
            f"{comparison}, group in MNI152",
            f"{title} in MNI152; each point of the glass brain displays the largest value "
            f"along the line of sight. Scale ±{limit:g}, not thresholded; {files}",
            glass_picture(volumes, Scale(limit, "unique variance")),
        )
    if FSAVERAGE in study.map_spaces and len(spaces) == 2:
        names = (spaces[0], spaces[1])
        surface = small_surface(inputs.anatomy, FSAVERAGE)
        if surface is None:
            return
        files_of_both = [_group_files(inputs, comparison, name, FSAVERAGE) for name in names]
        scale = pair_scale(study, limit, names)
        mean = SurfaceMap(comparison, files_of_both, scale)
        # the first view that there is
        drawable = [view for view in SURFACE_VIEWS if has_view(surface, view)]
        panels = surface_panels(surface, drawable[0])
        yield Picture(
            f"{comparison}_fsaverage",
            f"{comparison}, group on fsaverage",
            f"{title} on fsaverage ({surface.note}): of {names[0]}, of {names[1]}, and of both "
            f"(dark), in the colours of the square; transparent where both are below "
            f"{scale.least:.2g}; {files}",
            cortex_picture([mean], surface, panels),
        )


def _group_files(inputs: ReportInputs, comparison: str, name: str, space: str) -> list[Path]:
    entities = (
        f"comparison-{bids_label(comparison)}_component-{bids_label(name)}_stat-unique_desc-mean"
    )
    return inputs.group_files[space, entities]


def _further_analyses(inputs: ReportInputs) -> tuple[str, dict[str, Any]]:
    """Collect figures and tables of the requested analyses."""
    template, values = _page(inputs, "further_analyses", [])
    if not values["sections"] and not values["tables"]:
        values["intro"] = [NO_FURTHER_ANALYSES]
    return template, values


def _validation(inputs: ReportInputs) -> tuple[str, dict[str, Any]]:
    """Collect planted variance of a simulated study, and simulated experiments, if any."""
    planted = VALIDATION_INTRO if "recovery" in inputs.tables else ()
    template, values = _page(inputs, "validation", [*planted, *_calibrated(inputs)])
    if "calibration" in inputs.frames:
        values["tables"].append(
            _table(inputs, "calibration", "Simulated experiments with known truth")
        )
    return template, values


def _calibrated(inputs: ReportInputs) -> list[str]:
    """Describe how the simulated experiments were analysed, and what they found."""
    if inputs.calibration is None:
        return [NOT_CALIBRATED]
    if "calibration" not in inputs.frames:
        return [OTHERWISE_CALIBRATED]
    return [
        CALIBRATION_INTRO,
        _off(inputs.frames["calibration"]),
        calibration_sentence(inputs.study),
    ]


def _off(calibration: pd.DataFrame) -> str:
    """Report how many judged statistics are off, and which."""
    n_judged = (calibration["verdict"] != "not judged").sum()
    off = calibration[calibration["verdict"] == "off"]
    named = "; ".join(
        f"{row.statistic}, {row.condition} ({row.value:.3f}, expected "
        f"{_bounds(row.lowest, row.highest)})"
        for row in off.itertuples()
    )
    counted = (
        "In simulated experiments with known truth that were analysed as this study is, "
        f"{n_judged - len(off)} of {n_judged} checks came out as they should"
    )
    return f"{counted}{f'; off by more than chance: {named}' if named else ''}."


def _bounds(lowest: float, highest: float) -> str:
    ends = {"at least": lowest, "at most": highest}
    return " and ".join(f"{words} {end:.3f}" for words, end in ends.items() if pd.notna(end))


def _page(inputs: ReportInputs, page: str, intro: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """Collect the sections of a page: figures by heading, in their order, then tables."""
    sections: dict[str, dict[str, Any]] = {}
    for figure in read_figures(inputs.figures):
        if figure["page"] == page:
            title = figure["section"]
            section = {"id": bids_label(title), "title": title, "figures": []}
            sections.setdefault(title, section)["figures"].append(figure)
    named = dict(TABLES.get(page, {}))
    for analysis in enabled(inputs.study).values():
        if analysis.page == page:
            named |= analysis.tables
    tables = [_table(inputs, n, title) for n, title in named.items() if n in inputs.tables]
    values = {"intro": intro, "sections": list(sections.values()), "tables": tables}
    return "sections.html.j2", values


def _table(inputs: ReportInputs, name: str, title: str) -> dict[str, Any]:
    path = inputs.files[name]
    return {
        "title": title,
        "file": path.name,
        "path": f"../{path.parent.name}/{path.name}",
        "html": html_table(inputs.frames[name], described_columns(path)),
        "note": "",
    }


def _methods(inputs: ReportInputs) -> tuple[str, dict[str, Any]]:
    study, provenance = inputs.study, inputs.provenance
    windowed = study.encoding.search == "windowed"
    searched = search_sentence(inputs.frames["best_voxels"]) if windowed else ""
    paragraphs = methods_paragraphs(
        study, weights_labels(provenance), searched, provenance["selected"]
    )
    return "methods.html.j2", {
        "methods": paragraphs,
        "references": references(paragraphs),
        "columns": every_column(),
        "configuration": yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False),
        "versions": json.dumps(provenance["versions"], indent=2, sort_keys=True),
        "inputs": _inputs(provenance),
        "times": _times(inputs.benchmarks),
    }


def _inputs(provenance: Mapping[str, Any]) -> Markup:
    rows = [
        {"input": name, "file": found["file"], "sha256": found["sha256"]}
        for name, found in sorted(provenance["inputs"].items())
    ]
    return html_table(pd.DataFrame(rows, columns=[*INPUT_COLUMNS]), INPUT_COLUMNS)


def _times(folder: Path) -> Markup:
    """Tabulate Snakemake's measurements of all jobs that have run so far."""
    rows = []
    for path in sorted(folder.rglob("*.tsv")):
        measured = pd.read_csv(path, sep="\t", na_values=["-", "NA"]).iloc[0]
        job = path.relative_to(folder).with_suffix("").as_posix()
        rows.append(
            {"job": job, "seconds": measured["s"], "largest_memory_mb": measured["max_rss"]}
        )
    frame = pd.DataFrame(rows, columns=[*TIME_COLUMNS])
    return html_table(frame, TIME_COLUMNS)
