"""The report in a real browser: it opens from disk, asks nothing of a network, turns and sorts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from browser import Visit, visiting

from pipeline.figures.colours import corners, pair_colours, whole_rgb
from pipeline.maps.files import label_colour, read_map
from pipeline.report.explorer import HIGHEST, LOWEST
from pipeline.results.metadata import metadata_path, read_metadata
from pipeline.tables.voxels import read_voxels

pytestmark = pytest.mark.browser
LAPTOP, PHONE = 1280, 390
PAGES = (
    *("index", "explorer", "subj01", "models", "comparisons", "further_analyses", "validation"),
    "methods",
)
# of letters that tell something, in CSS pixels
LEAST_FONT = 11


@pytest.fixture(scope="module")
def report(study) -> Path:
    return study.results / "report"


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
@pytest.mark.parametrize(
    "name",
    PAGES,
)
def test_a_page_opens_without_network_or_complaint_and_fits_the_window(report, name, width):
    with visiting(report / f"{name}.html", width) as visit:
        page = visit.page
        for frame in page.query_selector_all("iframe"):
            frame.scroll_into_view_if_needed()
            frame.content_frame().wait_for_load_state("load")
        assert visit.network == []
        assert visit.complaints == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert all(page.evaluate("[...document.images].map((image) => image.naturalWidth > 0)"))
        sizes = page.eval_on_selector_all(
            "main p, main td, main figcaption, main dd, nav a",
            "(all) => all.map((one) => parseFloat(getComputedStyle(one).fontSize))",
        )
        assert min(sizes) >= LEAST_FONT
        assert page.locator(".banner").count() == 2


def test_a_click_on_a_head_sorts_the_table_by_numbers_and_back(report):
    with visiting(report / "models.html", LAPTOP) as visit:
        table = visit.page.locator("table").first
        names = table.locator("th").all_inner_texts()
        number = names.index("mean_r")
        head = table.locator("th").nth(number)
        cells = table.locator(f"tbody td:nth-child({number + 1})")
        values = {}
        for order in ("down", "up"):
            head.click()
            assert head.get_attribute("data-order") == order
            values[order] = np.array(
                [float(cell.get_attribute("data-value")) for cell in cells.all()]
            )
        for order, sign in (("down", -1), ("up", 1)):
            found = sign * values[order][np.isfinite(values[order])]
            assert len(found) > 5
            assert (np.diff(found) >= 0).all()
        assert not np.array_equal(values["down"], values["up"])


def test_a_surface_turns_with_the_mouse_and_shows_another_map_when_asked(report):
    with visiting(report / "views/subj01/surface.html", LAPTOP) as visit:
        page = visit.page
        page.wait_for_selector("#surface canvas")
        camera = "JSON.stringify(document.getElementById('surface').layout.scene.camera)"
        plot = page.locator("#surface")
        before, seen = page.evaluate(camera), plot.screenshot()
        box = plot.bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x + 150, y + 40, steps=6)
        page.mouse.up()
        page.wait_for_function(f"{camera} !== {json.dumps(before)}")
        turned = plot.screenshot()
        assert turned != seen
        page.locator("#map").select_option(label="noise ceiling")
        page.wait_for_timeout(500)
        assert plot.screenshot() != turned
        assert "noise ceiling" in page.locator("#ends").inner_text()
        assert visit.complaints == []
        assert visit.network == []


def test_the_surface_page_shows_the_values_of_the_files(report, study):
    folder = study.results / "maps/subj01/all"
    with visiting(report / "views/subj01/surface.html", LAPTOP) as visit:
        titles = visit.page.locator("#map option").all_inner_texts()
        for title, entities in (
            ("r: bert", "model-bert_stat-r"),
            ("r: bert, q ≤ 0.05", "model-bert_stat-r_desc-fdr05"),
        ):
            number = titles.index(title)
            limit = visit.page.evaluate(f"surfaceData.maps[{number}].limit")
            for side, letter in (("left", "L"), ("right", "R")):
                name = f"sub-01_hemi-{letter}_space-fsnative_{entities}_statmap.func.gii"
                expected = read_map(folder / "bert" / name)
                shown = visit.page.evaluate(
                    f"Array.from(values(surfaceData.maps[{number}], 0, '{side}'), "
                    "(value) => Number.isNaN(value) ? null : value)"
                )
                found = np.array([np.nan if value is None else value for value in shown])
                np.testing.assert_allclose(found, expected, atol=limit / 16_000)


def test_the_v1_patch_is_outlined_where_its_voxels_are(report, study):
    """V1v is planted at the back: its line runs behind the brain's middle, and is named."""
    with visiting(report / "views/subj01/surface.html", LAPTOP) as visit:
        found = visit.page.evaluate(
            """["left", "right"].map((side) => {
                const lines = outlines(side, "prf-visualrois", "pial");
                const [label] = Object.entries(surfaceData.outlines["prf-visualrois"].regions)
                    .find(([_, region]) => region.name === "V1v");
                return lines[label].filter(([x]) => x !== null);
            })"""
        )
        for side, sign in zip(found, (-1, 1), strict=True):
            points = np.array(side)
            assert len(points) > 5
            assert points[:, 1].max() < 0
            assert (sign * points[:, 0]).mean() > 0
        names = visit.page.evaluate(
            "document.getElementById('surface').data.filter((t) => t.type === 'scatter3d')"
            ".map((trace) => trace.name)"
        )
        assert "V1v" in names


def test_the_surface_page_states_value_and_region_of_a_vertex(report, study):
    folder = study.results / "maps/subj01/all"
    name = "sub-01_hemi-L_space-fsnative_{}.gii"
    r = read_map(folder / "bert" / name.format("model-bert_stat-r_statmap.func"))
    labels = read_map(folder / "subject" / name.format("seg-prfVisualrois_dseg.label"))
    vertex = int(np.flatnonzero(np.isfinite(r) & (labels == 1))[0])
    with visiting(report / "views/subj01/surface.html", LAPTOP) as visit:
        visit.page.locator("#map").select_option(label="r: bert")
        text = visit.page.evaluate(
            f"painted(surfaceData.maps[{_chosen(visit)}], 'left')[{vertex}].text"
        )
        assert text == f"{r[vertex]:.3f}<br>V1v"


def test_two_maps_at_once_have_the_colours_of_the_pictures(report):
    first, second = (part.ravel() for part in np.meshgrid(*[[-0.2, 0.0, 0.1, 0.3, 0.9]] * 2))
    with visiting(report / "views/subj01/surface.html", LAPTOP) as visit:
        pairs = np.column_stack([first, second]).tolist()
        ends = [whole_rgb(colour) for colour in corners()]
        found = visit.page.evaluate(
            f"{json.dumps(pairs)}.map(([a, b]) => pair(a, b, 0.6, {json.dumps(ends)}))"
        )
    expected = 255 * pair_colours(first / 0.6, second / 0.6)
    np.testing.assert_allclose(found, expected, atol=1)


def test_preferred_models_have_the_colours_of_their_names(report, study):
    folder = study.results / "maps/subj01/all/subject"
    path = folder / "sub-01_hemi-L_space-fsnative_stat-preferredModel_dseg.label.gii"
    labels = read_map(path)
    names = read_metadata(metadata_path(path))["Labels"]
    with visiting(report / "views/subj01/surface.html", LAPTOP) as visit:
        visit.page.locator("#map").select_option(label="preferred model")
        shown = visit.page.locator("#ends span").all_inner_texts()
        assert shown == list(names.values())
        painted = visit.page.evaluate(f"painted(surfaceData.maps[{_chosen(visit)}], 'left')")
        for label, name in names.items():
            found = {painted[i]["colour"] for i in np.flatnonzero(labels == int(label))}
            reported = {
                painted[i]["text"].split("<br>")[0] for i in np.flatnonzero(labels == int(label))
            }
            assert found == {label_colour(int(label))}
            assert reported == {name}
        assert visit.complaints == []


def _chosen(visit: Visit) -> int:
    return int(visit.page.locator("#map").input_value())


def test_a_surface_inside_a_page_leaves_the_banners_to_it(report):
    with visiting(report / "subj01.html", PHONE) as visit:
        visit.page.locator("#surface-view iframe").scroll_into_view_if_needed()
        frame = visit.page.frame_locator("#surface-view iframe")
        frame.locator("#surface canvas").first.wait_for()
        assert not frame.locator(".banner").first.is_visible()
    with visiting(report / "views/subj01/surface.html", PHONE) as visit:
        assert visit.page.locator(".banner").first.is_visible()


def test_the_explorer_changes_subject_map_and_region(report, study):
    with visiting(report / "explorer.html", LAPTOP) as visit:
        page = visit.page
        page.wait_for_selector("#voxel")
        page.select_option("#subject", "subj03")
        page.wait_for_function("element('voxel')?.textContent.includes('subj03')")
        page.select_option("#region", label="V1v")
        page.select_option("#map", label="bert")
        page.wait_for_function("element('list-title').textContent.includes('V1v) by bert')")
        rows = read_voxels(
            study.results / "tables/voxels/subj03.parquet",
            ["voxel", "r", "roi_prf-visualrois"],
            ["bert"],
        )
        best = rows[rows["roi_prf-visualrois"] == "V1v"].set_index("voxel")["r"]
        reported = page.locator("#list button").first.inner_text()
        assert reported == f"voxel {best.idxmax()}: {best.max():.3f}".replace("-", "−")
        page.locator("#list button").first.click()
        page.wait_for_function(f"element('voxel').textContent.includes('{best.idxmax()}')")
        assert page.url.endswith(f"#subj03/{best.idxmax()}")
        assert page.locator(".thumbnail").count() == HIGHEST + LOWEST
        assert visit.complaints == []
        assert visit.network == []


@pytest.mark.parametrize("name", [*PAGES, "views/subj01/surface"])
def test_axe_finds_no_barrier(report, name):
    """Contrast, names of pictures and controls, order of headings, keyboard."""
    package = pytest.importorskip(
        "axe_playwright_python", reason="NO AXE: pip install axe-playwright-python"
    )
    axe = Path(package.__file__).with_name("axe.min.js").read_text()
    with visiting(report / f"{name}.html", LAPTOP) as visit:
        page = visit.page
        if name == "explorer":
            page.wait_for_selector("#voxel")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        page.evaluate(axe)
        found = page.evaluate("axe.run()")
        assert found["passes"]
        barriers = [(one["id"], one["nodes"][0]["html"][:200]) for one in found["violations"]]
        assert barriers == []


@pytest.mark.parametrize("width", [LAPTOP, PHONE])
def test_letters_of_figures_are_legible_where_they_are_shown(report, width):
    """A figure is as wide as on paper or wider, where 7 points are 9.3 pixels."""
    for name in ("index", "comparisons"):
        with visiting(report / f"{name}.html", width) as visit:
            shown = visit.page.eval_on_selector_all(
                ".picture img",
                """(all) => all.filter((one) => one.offsetWidth).map((one) => [
                    one.offsetWidth, parseFloat(one.style.getPropertyValue("--natural"))])""",
            )
            assert shown
            assert all(wide >= natural - 1 > 200 for wide, natural in shown)
