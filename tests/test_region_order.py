"""Regions come in their atlas's own order, whichever voxels and regions a subject has."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
from runs import frozen

from pipeline.configuration.settings import COMPOSITE
from pipeline.figures import study as figures
from pipeline.figures.style import displayed_rois
from pipeline.nsd.dataset import regions as regions_of_nsd
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_colour_table
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import write_result
from pipeline.results.tables import read_table
from pipeline.stages import label_rois
from pipeline.tables.regions import in_atlas_order
from pipeline.tables.tables import group_table, roi_members

AREAS = ["V1v", "V1d", "V2v", "V2d", "hV4"]
PLACES, FACES = ["OPA", "PPA", "RSC"], ["OFA", "FFA-1", "FFA-2"]
ATLASES = {"floc-places": PLACES, "prf-visualrois": AREAS, "floc-faces": FACES}


def test_a_subjects_labels_are_in_the_order_of_the_colour_tables(tmp_path, monkeypatch):
    """The subject's first voxels are in the last regions."""
    for atlas, names in ATLASES.items():
        path = NSDLayout(tmp_path).colour_table("subj01", atlas)
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = enumerate(["Unknown", *names])
        path.write_text("".join(f"{label} {name}\n" for label, name in lines))
    regions = [(atlas, roi) for atlas, names in ATLASES.items() for roi in names if roi != "V1d"]
    found = pd.DataFrame(regions[::-1], columns=["atlas", "roi"])
    found = found.assign(voxel=np.arange(len(found)), hemisphere="rh")
    monkeypatch.setattr(regions_of_nsd, "read_roi_labels", lambda *_: found)
    space = SimpleNamespace(layout=NSDLayout(tmp_path), subject="subj01")
    monkeypatch.setattr(regions_of_nsd, "open_space", lambda *_: space)
    responses, out = tmp_path / "responses.h5", tmp_path / "subj01.tsv"
    settings = {"space": "func1mm", "betas": "betas_fithrf"}
    provenance = make_provenance("x", settings, {}, simulated=True)
    write_result(responses, {"voxel": ("voxel", found["voxel"].to_numpy())}, provenance)
    given = ["--nsd", tmp_path, "--subject", "subj01", "--responses", responses, "--out", out]
    monkeypatch.setattr(sys, "argv", ["x", *map(str, given), "--atlases", "rois"])
    for name, value in frozen(tmp_path, rois=list(ATLASES)).items():
        monkeypatch.setenv(name, value)
    label_rois.main()
    labels = read_table(out)
    composites = [(COMPOSITE, name) for name in ("early visual", "scene", "face")]
    expected = [("all", "all"), *regions, *composites]
    assert [*roi_members(labels, labels["voxel"].to_numpy())] == expected


def test_a_colour_table_is_in_the_order_of_its_labels_whatever_that_of_its_lines(tmp_path):
    path = NSDLayout(tmp_path).colour_table("subj01", "streams")
    path.parent.mkdir(parents=True)
    path.write_text("10 late\n0 Unknown\n2 middle\n1 early\n")
    names = read_colour_table(NSDLayout(tmp_path), "subj01", "streams")
    assert [*names.items()] == [(1, "early"), (2, "middle"), (10, "late")]


def of_subject(places: dict[str, int]) -> pd.DataFrame:
    """Labels of a subject who has these areas."""
    rows = [(7 * place, "prf-visualrois", roi, place) for roi, place in places.items()]
    return pd.DataFrame(rows, columns=["voxel", "atlas", "roi", "place"])


def table(areas: dict[str, list[str]]) -> pd.DataFrame:
    """A table of subjects who have these areas, subject after subject."""
    rows = [
        (subject, "c", component, *region, 0.1)
        for subject, names in areas.items()
        for region in [("all", "all"), *(("prf-visualrois", name) for name in names)]
        for component in ("a", "b")
    ]
    columns = ["subject", "comparison", "component", "atlas", "roi", "mean_variance"]
    provenance = {"variant": "all", "weights": "pretrained", "data": "measured"}
    return pd.DataFrame(rows, columns=columns).assign(**provenance)


def test_tables_and_figures_have_that_order_although_no_subject_has_every_region():
    of = {"subj01": ["V2d", "V1d"], "subj02": ["hV4", "V1v"], "subj03": ["V2v"]}
    rois = [of_subject({name: AREAS.index(name) for name in names}) for names in of.values()]
    ordered = in_atlas_order(table(of), rois)
    expected = [("all", "all"), *(("prf-visualrois", name) for name in AREAS)]
    assert displayed_rois(ordered) == expected
    assert displayed_rois(group_table(ordered)) == expected
    # subjects and components stay in order within a region
    assert ordered["subject"].tolist()[:6:2] == ["subj01", "subj02", "subj03"]
    assert ordered["component"].tolist()[:4] == ["a", "b", "a", "b"]
    assert len(ordered) == len(table(of))


def test_pairs_of_spaces_and_regions_are_in_that_order():
    rois = [of_subject({"hV4": 4}), of_subject({"V1v": 0, "V2v": 2})]
    names = ["clip", "bert", *(f"prf-visualrois/{roi}" for roi in ("hV4", "V1v", "V2v"))]
    pairs = pd.DataFrame(
        [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]], columns=["first", "second"]
    )
    ordered = in_atlas_order(pairs, rois, ["first", "second"])
    of_clip = ordered.loc[ordered["first"] == "clip", "second"]
    regions = [f"prf-visualrois/{roi}" for roi in ("V1v", "V2v", "hV4")]
    assert of_clip.tolist() == ["bert", *regions]
    assert [*dict.fromkeys(ordered["first"])][:2] == ["clip", "bert"]


def test_tables_without_rows_keep_their_columns():
    empty = pd.DataFrame(columns=["subject", "atlas", "roi"])
    assert [*in_atlas_order(empty, [of_subject({"V1v": 0})])] == ["subject", "atlas", "roi"]


def test_the_figure_of_ceilings_counts_the_voxels_that_tables_count(monkeypatch):
    """A voxel of too few images has a ceiling, but no score."""
    voxels = pd.DataFrame({"subject": "subj01", "noise_ceiling": [0.1, 0.2, 0.3, np.nan]})
    voxels["r"], voxels["r2"] = [0.1, np.nan, 0.2, 0.3], [0.1, np.nan, np.nan, 0.1]
    drawn = {}
    monkeypatch.setattr(figures, "read_voxels", lambda path, columns, models: voxels[[*columns]])
    monkeypatch.setattr(figures, "ceiling_histograms", drawn.update)
    for name in ("model_bars", "model_strips"):
        monkeypatch.setattr(figures, name, lambda *_, **__: None)
    study = type("Study", (), {"models": ["clip"]})
    list(figures._model_figures(study, [], None, ["subj01.parquet"]))
    assert len(drawn["subj01"]) == 2
