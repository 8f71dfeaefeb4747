"""The voxel explorer on data of NSD's size: its numbers, its size, and what a click shows."""

from __future__ import annotations

import base64
import itertools
import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from browser import visiting
from conftest import TINY, bare
from test_cortex import Template

from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.anatomy import Anatomy
from pipeline.dataset.images import Images
from pipeline.report.explorer import (
    HIGHEST,
    LOWEST,
    NO_IMAGE,
    THUMBNAIL,
    Explored,
    _flat,
    _slices,
    extremes,
    packed,
    write_explorer,
)
from pipeline.report.links import page_links
from pipeline.report.meshes import MOST_VERTICES
from pipeline.report.page import _explorer
from pipeline.report.templates import render
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import write_result
from pipeline.tables.voxels import parquet_writer

# nsdgeneral of a subject in NSD's 1.8 mm grid, the shared images, and a large study
GRID, N_VOXELS, N_IMAGES, N_MODELS, N_COMPARISONS = (64, 70, 52), 15_700, 1000, 16, 6
AFFINE = np.diag([1.8, 1.8, 1.8, 1.0])
MOST_BYTES = 15_000_000
REGIONS = ("V1v", "hV4", "FFA-1")
STEP = 1e-4


class NoisePictures(Images):
    """Pictures that compress worse than photographs do."""

    def seen(self, subject):
        """All images."""
        return np.arange(N_IMAGES)

    def pictures(self, nsd_id, batch_size):
        """Yield random pixels of the size of thumbnails."""
        generator = np.random.default_rng(0)
        for start in range(0, len(nsd_id), batch_size):
            n = len(nsd_id[start : start + batch_size])
            coarse = generator.integers(0, 256, (n, 20, 20, 3), dtype=np.uint8)
            yield coarse.repeat(THUMBNAIL // 20, 1).repeat(THUMBNAIL // 20, 2)

    def texts(self, nsd_id, kind):
        """One caption for each image."""
        return [[f"a photograph with the number {image}"] for image in nsd_id]


@dataclass(frozen=True)
class NearestVoxels:
    """fsaverage as a target in which vertex v displays voxel v, modulo their number."""

    n: int

    @property
    def geometry(self):
        """Numbers of vertices."""
        return {"grid_shape": np.array([MOST_VERTICES, MOST_VERTICES])}

    @property
    def place(self):
        """Every second vertex has a voxel."""
        return np.arange(0, 2 * MOST_VERTICES, 2)

    def labels(self, labels):
        """Take the label of the vertex's voxel."""
        return labels[np.arange(len(self.place)) % self.n].astype(np.float32)


class Brain(Template):
    """fsaverage5 with a transform from voxels."""

    def target(self, voxel, geometry, name):
        """Open the target."""
        return NearestVoxels(len(voxel))


@dataclass(frozen=True)
class RealSize:
    """A report with an explorer, and what was put into it."""

    report: Path
    models: pd.DataFrame
    components: pd.DataFrame
    responses: np.ndarray
    voxel: np.ndarray

    def file(self, name: str) -> dict:
        """The object that a script of the explorer hands over."""
        text = (self.report / f"explorer/subj01/{name}.js").read_text()
        return json.loads(re.fullmatch(r'receive\("subj01/\w+",(.*)\);\n', text)[1])


def settings_of_a_large_study() -> dict:
    settings = bare(yaml.safe_load(TINY.read_text()))
    names = [f"space{n}" for n in range(N_MODELS)]
    settings["subjects"] = ["subj01"]
    settings["feature_spaces"] |= {n: {"network": "alexnet", "layer": "fc7"} for n in names}
    pairs = itertools.islice(itertools.combinations(names, 2), N_COMPARISONS)
    settings |= {"models": names, "comparisons": {f"{a}_vs_{b}": [a, b] for a, b in pairs}}
    settings["maps"] = {"spaces": ["fsaverage"]}
    return settings


@pytest.fixture(scope="module")
def real_size(tmp_path_factory) -> RealSize:
    root = tmp_path_factory.mktemp("real_size")
    study = parse_configuration(settings_of_a_large_study())
    generator = np.random.default_rng(1)
    voxel = np.sort(generator.choice(np.prod(GRID), N_VOXELS, replace=False))
    where = pd.DataFrame({"subject": "subj01", "voxel": voxel})
    where["x"], where["y"], where["z"] = np.unravel_index(voxel, GRID)
    region = np.array([*REGIONS, None])[np.arange(N_VOXELS) % 4]
    where["roi_prf-visualrois"] = region
    shared = {name: generator.random(N_VOXELS).astype(np.float32) for name in ("reliability",)}
    shared |= {
        "noise_ceiling": shared["reliability"] - 0.1,
        "noise_ceiling_error": shared["reliability"] / 9,
    }
    provenance = make_provenance("test", {}, {}, simulated=True)

    def numbers(*names: str) -> dict[str, np.ndarray]:
        drawn = 0.3 * generator.standard_normal((len(names), N_VOXELS)).astype(np.float32)
        drawn[:, 5] = np.nan
        return dict(zip(names, drawn, strict=True))

    models = [
        where.assign(
            model=model, **numbers("r", "r_lower", "r_upper", "r2", "q", "cv_score"), **shared
        )
        for model in study.fits()
    ]
    components = [
        where.assign(
            comparison=name,
            component=component,
            **numbers("variance", "variance_lower", "variance_upper", "q"),
        )
        for name, spaces in study.comparisons.items()
        for component in (*spaces, "&".join(spaces))
    ]
    paths = [root / f"tables/{kind}/subj01.parquet" for kind in ("voxels", "voxel_components")]
    for path, frames in zip(paths, (models, components), strict=True):
        with parquet_writer(path, provenance) as append:
            for frame in frames:
                append(frame.assign(variant="all"))
    responses = generator.standard_normal((N_IMAGES, N_VOXELS)).astype(np.float32)
    responses[:, 7] = np.nan
    write_result(
        root / "responses/subj01.h5",
        {
            "voxel": ("voxel", voxel),
            "image": ("image", np.arange(N_IMAGES)),
            "responses": (("image", "voxel"), responses),
            "grid_shape": ("axis", np.array(GRID)),
            "affine": (("row", "column"), AFFINE),
        },
        provenance,
    )
    limits = {"r": 0.8, "unique": 0.3, "ceiling": 0.9}
    explored = Explored(
        *(study, "subj01", Brain(MOST_VERTICES), NoisePictures(), *paths),
        *(root / "responses/subj01.h5", np.arange(N_IMAGES), limits),
    )
    write_explorer(explored, root / "report/explorer/subj01")
    template, values = _explorer(study)
    page = render(
        template,
        study="large",
        title="Voxel explorer",
        file="explorer.html",
        banners=[],
        pages=page_links(["subj01"]),
        **values,
    )
    (root / "report/explorer.html").write_text(page)
    every = pd.concat(models).set_index(["model", "voxel"])
    parts = pd.concat(components).set_index(["comparison", "component", "voxel"]).sort_index()
    return RealSize(root / "report", every, parts, responses, voxel)


def decoded(text: str, dtype: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), dtype)


def unpacked(stored: dict) -> np.ndarray:
    whole = decoded(stored["data"], "<i2").astype(float)
    return np.where(whole == -32768, np.nan, whole * stored["step"])


def test_the_explorer_of_a_large_subject_is_small_enough(real_size):
    files = [*(real_size.report / "explorer").rglob("*"), real_size.report / "explorer.html"]
    size = sum(path.stat().st_size for path in files if path.is_file())
    assert 5_000_000 < size < MOST_BYTES


def test_a_map_loads_only_its_own_numbers(real_size):
    """Values, interval ends and q of 15,700 voxels: 10 bytes each, a third more in base64."""
    assert (real_size.report / "explorer/subj01/model_3.js").stat().st_size < 220_000


def test_scores_are_those_of_the_tables_by_label(real_size):
    index = real_size.file("index")
    voxel = decoded(index["voxel"], "<i4")
    np.testing.assert_array_equal(voxel, real_size.voxel)
    for number in (0, 9, len(index["models"]) - 1):
        rows = real_size.models.loc[index["models"][number]["name"]].loc[voxel]
        for name, stored in real_size.file(f"model_{number}").items():
            np.testing.assert_allclose(unpacked(stored), rows[name], atol=STEP / 2 + 1e-7)
    for number, comparison in enumerate(index["comparisons"]):
        for component, parts in real_size.file(f"comparison_{number}").items():
            rows = real_size.components.loc[comparison["name"], component].loc[voxel]
            for name, stored in parts.items():
                np.testing.assert_allclose(unpacked(stored), rows[name], atol=STEP / 2 + 1e-7)
    first = real_size.models.loc["space0"].loc[voxel]
    for name, stored in index["ceiling"].items():
        np.testing.assert_allclose(unpacked(stored), first[name], atol=STEP / 2 + 1e-7)
    atlas = index["atlases"]["prf-visualrois"]
    names = np.array(["", *atlas["names"]])[decoded(atlas["codes"], "<u2")]
    assert names.tolist() == first["roi_prf-visualrois"].fillna("").tolist()


def test_best_models_are_the_best_on_training_images(real_size):
    best = decoded(real_size.file("index")["best"], "u1")
    scores = real_size.models["cv_score"].unstack("model").loc[real_size.voxel]
    scores = scores[[f"space{n}" for n in range(N_MODELS)]]
    reliable = real_size.models.loc["space0"].loc[real_size.voxel, "reliability"] >= 0.1
    expected = scores.fillna(-np.inf).to_numpy().argmax(axis=1) + 1
    expected[~reliable.to_numpy() | scores.isna().any(axis=1).to_numpy()] = 0
    np.testing.assert_array_equal(best, expected)


def test_driving_images_are_those_with_the_extreme_responses(real_size):
    images = real_size.file("images")
    shown = decoded(images["shown"], "<u2").reshape(N_VOXELS, HIGHEST + LOWEST)
    values = unpacked(images["responses"]).reshape(shown.shape)
    for row in (0, 4321, N_VOXELS - 1):
        one = pd.Series(real_size.responses[:, row])
        assert shown[row].tolist() == [*one.nlargest(HIGHEST).index, *one.nsmallest(LOWEST).index]
        np.testing.assert_allclose(values[row], one[shown[row]], atol=1e-3)
    assert (shown[7] == NO_IMAGE).all()


def test_voxels_with_too_few_responses_have_no_driving_images():
    responses = np.full((20, 1), np.nan)
    responses[: HIGHEST + LOWEST - 1] = 1
    rows, values = extremes(responses)
    assert (rows == NO_IMAGE).all()
    assert np.isnan(values).all()


@pytest.mark.parametrize("grid", [(40, 1, 1), (40,)])
def test_a_dataset_without_brains_has_no_view(grid):
    settings = settings_of_a_large_study() | {"maps": {"spaces": []}}
    explored = Explored(
        *(parse_configuration(settings), "subj01", Anatomy(), NoisePictures()),
        *(Path(), Path(), Path(), np.arange(3), {}),
    )
    explored.__dict__["geometry"] = {"grid_shape": np.array(grid), "affine": AFFINE}
    assert _flat(explored) is None
    assert _slices(explored) is None
    assert not any("slices" in link["about"] for link in page_links(["subj01"]))


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e5])
def test_packed_numbers_are_exact_to_half_a_step(scale):
    values = scale * np.array([-1.0, 0.3, np.nan, 0.0])
    stored = packed(values)
    assert stored["step"] == pytest.approx(max(1e-4, scale / 32767))
    np.testing.assert_allclose(unpacked(stored), values, atol=stored["step"] / 2)


# ---- in a browser


@pytest.mark.browser
def test_a_click_on_the_flat_map_shows_the_voxel_of_that_vertex(real_size):
    with visiting(real_size.report / "explorer.html", 1280) as visit:
        page = visit.page
        page.wait_for_selector("#voxel")
        vertex = 2 * 1000
        place = page.evaluate(
            "(() => { const box = element('flat').getBoundingClientRect();"
            f" const at = cache.flat.at[{vertex}];"
            " return [box.left + at[0] * box.width / element('flat').width,"
            " box.top + at[1] * box.height / element('flat').height]; })()"
        )
        page.mouse.click(*place)
        page.wait_for_function(f"element('voxel').textContent.includes('{real_size.voxel[1000]}')")
        row = real_size.models.loc["space3"].loc[real_size.voxel[1000]]
        reported = page.locator("#panel tr", has_text="space3").first.inner_text()
        assert f"{row['r']:.3f}".replace("-", "−") in reported
        assert f"{row['r_lower']:.3f}".replace("-", "−") in reported
        assert visit.network == []
        assert visit.complaints == []


@pytest.mark.browser
def test_a_search_finds_voxels_and_regions(real_size):
    with visiting(real_size.report / "explorer.html", 1280) as visit:
        page = visit.page
        page.wait_for_selector("#voxel")
        page.fill("#query", str(real_size.voxel[123]))
        page.keyboard.press("Enter")
        page.wait_for_function(f"element('voxel').textContent.includes('{real_size.voxel[123]}')")
        assert page.url.endswith(f"#subj01/{real_size.voxel[123]}")
        page.fill("#query", "ffa-1")
        page.keyboard.press("Enter")
        page.wait_for_function("element('list-title').textContent.includes('FFA-1')")
        first = int(re.search(r"\d+", page.locator("#list button").first.inner_text())[0])
        rows = real_size.models.loc["space0"]
        inside = rows[rows["roi_prf-visualrois"] == "FFA-1"]
        assert first == inside["noise_ceiling"].idxmax()
        page.fill("#query", "nowhere")
        page.keyboard.press("Enter")
        assert "nowhere" in page.locator("#missing").inner_text()


@pytest.mark.browser
def test_slices_are_left_to_right_and_move_by_keys(real_size):
    with visiting(real_size.report / "explorer.html", 1280) as visit:
        page = visit.page
        page.wait_for_selector("#voxel")
        page.select_option("#view", "slices")
        page.locator(".slice").nth(2).focus()
        before = page.evaluate("[...cursor]")
        page.keyboard.press("ArrowRight")
        page.wait_for_function(f"cursor[0] === {before[0] + 1}")
        assert page.evaluate("cursor") == [before[0] + 1, *before[1:]]
        where = page.evaluate("Array.from(cache.slices.where.subarray(0, 3))")
        assert where == [int(n) for n in np.unravel_index(real_size.voxel[0], GRID)]
        assert visit.complaints == []
