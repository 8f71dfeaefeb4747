"""The report of a synthetic study: complete, self-contained, honest about its data."""

from __future__ import annotations

import base64
import html
import itertools
import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import nibabel
import numpy as np
import pandas as pd
import pytest
import scipy.stats
import yaml
from conftest import TINY, bare, weights_of
from markupsafe import escape
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from test_explorer import unpacked

from encoding.variance_partitioning import joint_gain, model_name, partition_variance, subsets
from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.settings import DRAWN
from pipeline.configuration.study import Configuration
from pipeline.dataset.anatomy import Anatomy
from pipeline.figures.style import note_untrained
from pipeline.fits.described_tests import describe_tests
from pipeline.jobs.frozen_run import RUN, freeze, frozen_text
from pipeline.jobs.job_settings import study_run
from pipeline.maps.files import INDEX
from pipeline.nsd.layout import NSDLayout
from pipeline.report.explorer import PER_ROW, THUMBNAIL
from pipeline.report.html import banners, html_table
from pipeline.report.methods import (
    REFERENCES,
    calibration_sentence,
    methods_paragraphs,
    references,
    search_sentence,
)
from pipeline.report.overview import difference_interval
from pipeline.report.page import (
    NOT_CALIBRATED,
    OTHERWISE_CALIBRATED,
    ReportInputs,
    _validation,
)
from pipeline.report.subject_page import in_parts
from pipeline.results.metadata import read_metadata, write_metadata
from pipeline.results.provenance import make_provenance
from pipeline.results.storage import read_result, write_result
from pipeline.results.tables import read_table, write_table
from pipeline.stages import (
    choose_colour_limits,
    validate_recovery,
    write_explorer,
    write_figures,
    write_maps,
    write_study_pages,
    write_subject_page,
    write_tables,
    write_voxel_tables,
)
from pipeline.tables.columns import COLUMNS
from pipeline.validation.calibration import run_experiment, summarise
from pipeline.validation.experiments import Condition

DEMO = Path(__file__).parent.parent / "config/demo.yaml"
GRID = (20, 25, 18)
AFFINE = np.array([[1.8, 0, 0, -17.1], [0, 1.8, 0, -21.6], [0, 0, 1.8, -15.3], [0, 0, 0, 1.0]])
ROI_NAMES = ("V1v", "V1d", "hV4", "no signal")
# images 0 to 29 are test images
N_TEST = 30
# of letters in print
LEAST_POINTS = 7
UNTRAINED = ["clip_rn50", "resnet50"]


def brain_mask() -> tuple[np.ndarray, np.ndarray]:
    """Distance from the centre of an ellipsoid, and C-order indices of its posterior shell."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in GRID), indexing="ij")
    radius = np.sqrt(sum(axis**2 for axis in axes))
    return radius, np.flatnonzero((radius > 0.65) & (radius < 0.95) & (axes[1] < 0))


class SyntheticStudy:
    """Result files of a study with made-up scores, and the stages that show them."""

    def __init__(self, root: Path, settings: dict, simulated: bool, untrained: list[str]):
        self.root, self.simulated, self.untrained = root, simulated, untrained
        self.settings = {**settings, "nsd": str(root / "nsd")}
        self.study: Configuration = parse_configuration(self.settings)
        self.encoding: list[Path] = []
        self.partitions: list[Path] = []
        self.significance: list[Path] = []
        self.calibration: Path | None = None
        self.drawn: dict[str, Figure] = {}
        self._write_pictures()
        write_metadata(
            root / "checked/audit.json", {"audited_fits": dict.fromkeys(self.study.subjects, 3)}
        )
        for number, subject in enumerate(self.study.subjects):
            self._write_subject(subject, np.random.default_rng(number))

    def _write_pictures(self) -> None:
        """Stimuli: test image n has the grey value 8 n."""
        path = NSDLayout(self.study.nsd).stimuli
        path.parent.mkdir(parents=True)
        with h5py.File(path, "w") as file:
            bricks = file.create_dataset(
                "imgBrick", (N_TEST, 425, 425, 3), np.uint8, compression="lzf", chunks=True
            )
            bricks[...] = 8 * np.arange(N_TEST, dtype=np.uint8)[:, None, None, None]

    def _provenance(self, subject: str, spaces: list[str]) -> dict:
        configuration = {
            "subject": subject,
            "variant": "all",
            "space": "func1pt8mm",
            "betas": "betas_fithrf_GLMdenoise_RR",
            "spaces": spaces,
        }
        named = [space for space in spaces if space in self.untrained]
        configuration["tests"] = describe_tests("permutation", "images", 2000)
        return make_provenance(
            "synthetic",
            configuration,
            {},
            simulated=self.simulated,
            untrained=named,
            weights=weights_of(*spaces, untrained=named),
        )

    def _write_subject(self, subject: str, generator: np.random.Generator) -> None:
        radius, voxel = brain_mask()
        background = NSDLayout(self.study.nsd).mean_image(subject, "func1pt8mm")
        background.parent.mkdir(parents=True)
        brightness = np.where(radius < 1, 900 - 350 * radius, 40).astype(np.float32)
        nibabel.save(nibabel.Nifti1Image(brightness, AFFINE), background)
        self._write_labels(subject, voxel)
        write_result(
            self.root / f"responses/{subject}.h5",
            {
                "voxel": ("voxel", voxel),
                "grid_shape": ("axis", np.array(GRID)),
                "affine": (("affine_row", "affine_column"), AFFINE),
                "image": ("image", np.arange(100)),
                "responses": (
                    ("image", "voxel"),
                    generator.standard_normal((100, len(voxel))).astype(np.float32),
                ),
            },
            self._provenance(subject, []),
        )
        split = pd.DataFrame({"nsd_id": np.arange(100)})
        split["set"] = np.where(split["nsd_id"] < N_TEST, "test", "train")
        write_table(
            self.root / f"splits/{subject}/all.tsv",
            split,
            dict.fromkeys(split, "split"),
            self._provenance(subject, []),
        )
        group = np.array(ROI_NAMES)[(np.arange(len(voxel)) * len(ROI_NAMES)) // len(voxel)]
        rois = pd.DataFrame({"voxel": voxel, "atlas": "prf-visualrois", "roi": group})
        rois["hemisphere"] = "lh"
        rois["place"] = rois["roi"].map(ROI_NAMES.index)
        rois = rois[rois["roi"] != "no signal"]
        write_table(
            self.root / f"rois/{subject}.tsv",
            rois,
            dict.fromkeys(rois, "label"),
            self._provenance(subject, []),
        )
        r2 = self._scores(voxel, group, generator)
        self._write_fits(subject, voxel, r2, generator)
        write_result(
            self.root / f"truth/{subject}.h5",
            {
                "voxel": ("voxel", voxel),
                "group": ("voxel", group),
                "model": ("model", list(r2)),
                **{
                    f"{kind}_r2": (("model", "voxel"), np.stack([*r2.values()]))
                    for kind in ("perfect", "oracle")
                },
            },
            self._provenance(subject, []),
        )

    def _write_labels(self, subject: str, voxel: np.ndarray) -> None:
        """NSD's files of the mask, and of one ROI collection with its colour table."""
        layout = NSDLayout(self.study.nsd)
        group = (np.arange(len(voxel)) * len(ROI_NAMES)) // len(voxel)
        numbers = {"nsdgeneral": np.ones(len(voxel)), "prf-visualrois": (group + 1) % 4}
        for atlas, labels in numbers.items():
            volume = np.full(np.prod(GRID), -1.0)
            volume[voxel] = labels
            path = layout.roi(subject, "func1pt8mm", atlas)
            path.parent.mkdir(parents=True, exist_ok=True)
            nibabel.save(nibabel.Nifti1Image(volume.reshape(GRID), AFFINE), path)
        table = layout.root / f"nsddata/freesurfer/{subject}/label/prf-visualrois.mgz.ctab"
        table.parent.mkdir(parents=True)
        names = ["Unknown", *ROI_NAMES[:-1]]
        table.write_text("".join(f"{i} {name}\n" for i, name in enumerate(names)))

    def _scores(self, voxel: np.ndarray, group: np.ndarray, generator) -> dict[str, np.ndarray]:
        """R² of every subset of the study's spaces, more for more spaces, none without signal."""
        strength = {
            space: np.where(group == "no signal", 0, 0.25 * generator.random(len(voxel)))
            for space in self.study.feature_spaces
        }
        return {
            name: np.max([strength[s] for s in spaces], axis=0) + 0.03 * (len(spaces) - 1)
            for name, spaces in self.study.fits().items()
        }

    def _write_fits(self, subject, voxel, r2, generator) -> None:
        """Fits and tests of all models, partitions and tests of comparisons."""
        shared = {
            "voxel": voxel,
            "noise_ceiling": np.full(len(voxel), 0.5, np.float32),
            "noise_ceiling_error": np.full(len(voxel), 0.05, np.float32),
            "reliability": np.full(len(voxel), 0.5, np.float32),
            "searched_exactly": np.arange(len(voxel)) < 7,
        }
        noisy = {name: v + 0.02 * generator.standard_normal(len(voxel)) for name, v in r2.items()}
        tests: dict[str, dict[str, np.ndarray]] = {}
        for model, spaces in self.study.fits().items():
            values = noisy[model]
            values[3] = np.nan
            scores = {"r2": values, "r": np.sign(values) * np.sqrt(np.abs(values))}
            arrays = {**shared, **scores, "cv_score": values - 0.01, "alpha": np.ones(len(voxel))}
            data = {name: ("voxel", array) for name, array in arrays.items()}
            data |= {"image": ("image", np.arange(100)), "space": ("space", spaces)}
            data |= {"grid_shape": ("axis", np.array(GRID))}
            data["band_weights"] = ("space", "voxel"), np.ones((len(spaces), len(voxel)))
            self.encoding.append(self._write("encoding", subject, model, data, spaces))
            q = np.where(values > 0.05, 0.01, 0.5)
            tests[model] = {"q": q, "p": q / 2}
            for key, (name, score) in itertools.product(("lower", "upper"), scores.items()):
                tests[model][f"{name}_{key}"] = score + (0.1 if key == "upper" else -0.1)
            data = {name: ("voxel", v) for name, v in {"voxel": voxel, **tests[model]}.items()}
            self.significance.append(self._write("significance", subject, model, data, spaces))
        for comparison, spaces in self.study.comparisons.items():
            models = [model_name(subset) for subset in subsets(spaces)]
            own = {model: noisy[model] for model in models}
            components = partition_variance(own, spaces)
            arrays = {**shared, "joint_gain": joint_gain(own, spaces)}
            data = {name: ("voxel", array) for name, array in arrays.items()}
            labels = {"component": ("component", [*components])}
            data |= labels | {"model": ("model", models), "part": ("part", [*spaces, "offset"])}
            data["variance"] = ("component", "voxel"), np.stack([*components.values()])
            data["r2"] = ("model", "voxel"), np.stack([*own.values()])
            product = np.zeros((len(spaces) + 1, len(voxel)))
            data["product_measure"] = ("part", "voxel"), product
            self.partitions.append(self._write("partitions", subject, comparison, data, spaces))
            data = labels | {"voxel": ("voxel", voxel)}
            sources = {"p": "p", "q": "q", "variance_lower": "r2_lower"}
            for key, source in {**sources, "variance_upper": "r2_upper"}.items():
                found = np.stack([tests[model][source] for model in models])
                data[key] = ("component", "voxel"), found
            self.significance.append(self._write("significance", subject, comparison, data, spaces))

    def _write(self, kind, subject, name, arrays, spaces) -> Path:
        path = self.root / f"{kind}/{subject}/all/{name}.h5"
        of = "comparison" if name in self.study.comparisons else "model"
        provenance = self._provenance(subject, spaces)
        provenance["configuration"][of] = name
        write_result(path, arrays, provenance)
        return path

    def write_calibration(self, settings: dict | None = None) -> None:
        """Experiments of known truth, analysed with the study's settings or others."""
        condition = Condition(widths=(5, 4), n_train=40, n_test=40)
        settings = self.study.calibrated if settings is None else settings
        found = [run_experiment(condition, k, settings) for k in range(2)]
        table = summarise("plain", found, settings["significance"]["level"])
        # one that is off, whatever the draw
        table.loc[table["verdict"] == "off", "verdict"] = "as it should be"
        table.loc[table["statistic"].str.startswith("ncsnr"), "verdict"] = "off"
        self.calibration = self.root / "validation/calibration.tsv"
        write_table(self.calibration, table, COLUMNS, make_provenance("calibrate", settings, {}))

    def show(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """Run the stages from maps to report; the text of the page."""
        root, subjects = self.root, self.study.subjects
        written = ("correlations", "partitions", "group", "best_voxels", "models")
        tables = [root / f"tables/{name}.tsv" for name in written]
        names = ("recovery", "null_voxels") if self.simulated else ()
        validation = [root / f"validation/{name}.tsv" for name in names]

        monkeypatch.setenv(RUN, str(freeze(root / "runs", frozen_text(study_run(self.study, {})))))

        def run(stage, *arguments: object) -> None:
            monkeypatch.setattr(sys, "argv", [stage.__name__, *map(str, arguments)])
            stage.main()

        for subject in subjects:
            run(
                write_maps,
                *("--nsd", self.study.nsd, "--subject", subject, "--variant", "all"),
                *("--responses", root / f"responses/{subject}.h5"),
                *("--models", "models", "--atlases", "rois", "--spaces", "spaces_mapped.all"),
                *("--quantities", "mapped_quantities"),
                *("--encoding", *(p for p in self.encoding if p.parts[-3] == subject)),
                *("--significance", *(p for p in self.significance if p.parts[-3] == subject)),
                *("--partitions", *(p for p in self.partitions if p.parts[-3] == subject)),
                *("--out-directory", root / f"maps/{subject}/all"),
            )
        results = ["--encoding", *self.encoding, "--partitions", *self.partitions]
        run(
            write_tables,
            *("--models", "models"),
            *("--rois", *(root / f"rois/{s}.tsv" for s in subjects)),
            *("--significance", *self.significance),
            *results,
            *("--out", *tables),
        )
        if self.simulated:
            run(
                validate_recovery,
                *("--truth", *(root / f"truth/{s}.h5" for s in subjects)),
                *results,
                *("--out", *validation),
            )
        self._write_pages(run, tables, validation)
        return (root / "report/index.html").read_text()

    def _write_pages(self, run, tables: list[Path], validation: list[Path]) -> None:
        root, subjects = self.root, self.study.subjects
        configuration = ("--configuration", "configuration", "--nsd", self.study.nsd)
        for subject in subjects:
            run(
                write_voxel_tables,
                *("--subject", subject, "--rois", root / f"rois/{subject}.tsv"),
                *("--encoding", *(p for p in self.encoding if p.parts[-3] == subject)),
                *("--significance", *(p for p in self.significance if p.parts[-3] == subject)),
                *("--partitions", *(p for p in self.partitions if p.parts[-3] == subject)),
                *("--models", root / f"tables/voxels/{subject}.parquet"),
                *("--components", root / f"tables/voxel_components/{subject}.parquet"),
            )
        maps = [root / f"maps/{subject}/all" for subject in subjects]
        limits = ("--limits", root / "maps/colour_limits.json")
        run(choose_colour_limits, "--maps", *maps, "--out", limits[1])
        run(
            write_figures,
            *(*configuration, "--tables", *tables, *validation),
            *("--voxels", *(root / f"tables/voxels/{s}.parquet" for s in subjects)),
            *("--out-directory", root / "figures"),
        )
        for subject in subjects:
            run(
                write_explorer,
                *(*configuration, "--subject", subject, *limits),
                *("--models", root / f"tables/voxels/{subject}.parquet"),
                *("--components", root / f"tables/voxel_components/{subject}.parquet"),
                *("--responses", root / f"responses/{subject}.h5"),
                *("--split", root / f"splits/{subject}/all.tsv"),
                *("--out-directory", root / f"report/explorer/{subject}"),
            )
        for folder in maps:
            run(
                write_subject_page,
                *(*configuration, "--maps", folder, *limits, "--tables", *tables),
                *("--figures", root / "figures", "--out-directory", root / "report"),
            )
        run(
            write_study_pages,
            *(*configuration, "--tables", *tables, *validation, *limits),
            *("--audit", root / "checked/audit.json", "--maps", maps[0]),
            *("--figures", root / "figures", "--benchmarks", root / "benchmarks"),
            *(("--calibration", self.calibration) if self.calibration else ()),
            *("--out-directory", root / "report"),
        )


def small_settings(simulated: bool, quantities: Iterable[str] = ()) -> dict:
    """A small study, with maps of these quantities besides those that the report draws."""
    settings = bare(yaml.safe_load(DEMO.read_text()))
    settings["models"] = ["clip_rn50", "resnet50"]
    settings["rois"] = ["prf-visualrois"]
    settings["maps"] = {"spaces": [], "quantities": [*quantities]}
    settings["comparisons"] = {"clip_rn50_vs_resnet50": ["clip_rn50", "resnet50"]}
    if not simulated:
        del settings["simulation"]
    return settings


@pytest.fixture(scope="module")
def simulated_report(tmp_path_factory) -> tuple[SyntheticStudy, str]:
    study = SyntheticStudy(tmp_path_factory.mktemp("study"), small_settings(True), True, UNTRAINED)
    study.write_calibration()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Figure, "savefig", remembering(study.drawn, Figure.savefig))
        return study, study.show(monkeypatch)


def remembering(drawn: dict[str, Figure], savefig):
    """Draw figures, and keep them by the name of their file."""

    def save(figure, where, **options):
        drawn[Path(where).name] = figure
        savefig(figure, where, **options)

    return save


@pytest.fixture(scope="module")
def measured_report(tmp_path_factory) -> tuple[SyntheticStudy, str]:
    """Measured data, pretrained weights, and no comparison: the barest study."""
    settings = {**small_settings(False, ["all"]), "comparisons": {}}
    study = SyntheticStudy(tmp_path_factory.mktemp("measured"), settings, False, [])
    with pytest.MonkeyPatch.context() as monkeypatch:
        return study, study.show(monkeypatch)


def pages(study: SyntheticStudy) -> dict[str, str]:
    """{file: text} of the report's pages, without the views inside them."""
    return {path.name: path.read_text() for path in (study.root / "report").glob("*.html")}


def test_report_has_a_page_for_every_subject_and_topic(simulated_report):
    study, overview = simulated_report
    found = pages(study)
    topics = {
        "index",
        "explorer",
        "models",
        "comparisons",
        "further_analyses",
        "validation",
        "methods",
    }
    assert set(found) == {f"{name}.html" for name in topics | set(study.study.subjects)}
    for name, text in found.items():
        assert all(f'href="{other}"' in text for other in found), name
    assert "Which network representation" in overview
    assert "Correlations per region and model" in found["models.html"]
    assert "clip_rn50 × resnet50" in found["comparisons.html"]
    assert "tested over subjects" in found["comparisons.html"]
    assert "recovered against planted" in found["validation.html"].lower()
    assert "References" in found["methods.html"]
    assert "sha256" in found["methods.html"]


def test_figures_are_files_in_every_format(simulated_report):
    study, _ = simulated_report
    index = json.loads((study.root / "figures/index.json").read_text())
    names = {figure["name"] for figure in index["figures"]}
    assert {"correlations", "noise_ceilings", "unique_clip_rn50_vs_resnet50"} <= names
    for name in names:
        for kind in ("svg", "pdf", "png"):
            assert (study.root / f"figures/{name}.{kind}").stat().st_size > 1000
    assert index["provenance"]["simulated"]


def test_letters_of_figures_are_legible_in_print(simulated_report):
    study, _ = simulated_report
    assert len(study.drawn) > 10
    for name, figure in study.drawn.items():
        texts = [one for one in figure.findobj(Text) if one.get_text().strip()]
        assert min(text.get_fontsize() for text in texts) >= LEAST_POINTS, name


def test_panels_of_regions_state_n_and_ceiling(simulated_report):
    study, _ = simulated_report
    correlations = read_table(study.root / "tables/correlations.tsv")
    (v1,) = correlations.query("roi == 'V1v' and model == 'resnet50'").itertuples()
    drawn = [one for name, one in study.drawn.items() if "unique" in name or "correl" in name]
    panels = [one for one in drawn if "V1v" in str(labels_below(one))]
    assert len(panels) >= 3
    for figure in panels:
        # fractions of the ceiling are of explainable voxels, and their ceiling is the line at 1
        explained = "√(noise ceiling)" in figure.axes[0].get_ylabel()
        n = v1.n_explainable if explained else v1.n_voxels
        ceiling = "" if explained else f"\nceiling {v1.mean_ceiling:.2f}"
        assert f"V1v\nn = {n}{ceiling}" in labels_below(figure)


def labels_below(figure: Figure) -> list[str]:
    return [text.get_text() for axis in figure.axes for text in axis.get_xticklabels()]


def test_the_overview_states_the_result_with_its_numbers(simulated_report):
    study, overview = simulated_report
    table = read_table(study.root / "tables/partitions.tsv").query("roi == 'all'")
    unique = table.set_index("component")["mean_variance"]
    for space in ("clip_rn50", "resnet50"):
        assert f"{100 * unique[space]:.1f} %" in overview
    assert "no interval over subjects" in overview
    assert "perfect fit" not in overview


def test_a_difference_has_its_interval_over_subjects():
    study = parse_configuration(yaml.safe_load(TINY.read_text()))
    values = np.array([0.010, 0.030])
    row = {"comparison": "alexnet_vs_bert", "roi": "all", "n_subjects": 2}
    row |= {"component": "alexnet minus bert", "mean": values.mean()}
    row["standard_error"] = values.std(ddof=1) / np.sqrt(2)
    frames = {"group": pd.DataFrame([row])}
    low, high = scipy.stats.t.interval(0.95, 1, values.mean(), row["standard_error"])
    reported = difference_interval(study, frames, row["comparison"], ("alexnet", "bert"))
    over = "percentage points (95 % interval over 2 subjects"
    assert f"2.0 {over} −{-100 * low:.1f} to {100 * high:.1f})" in reported
    assert "includes 0" in reported
    # the other way round
    reported = difference_interval(study, frames, row["comparison"], ("bert", "alexnet"))
    assert f"−2.0 {over} −{100 * high:.1f} to {-100 * low:.1f})" in reported


def test_the_explorer_has_the_numbers_of_the_result_files(simulated_report):
    """By label: models and components are looked up in the HDF5 files that fits and tests wrote."""
    study, _ = simulated_report
    folder = study.root / "report/explorer/subj01"
    index = explored(folder, "index")
    voxel = np.frombuffer(base64.b64decode(index["voxel"]), "<i4")
    for number, model in enumerate(index["models"]):
        fit = read_result(study.root / f"encoding/subj01/all/{model['name']}.h5")
        tests = read_result(study.root / f"significance/subj01/all/{model['name']}.h5")
        np.testing.assert_array_equal(fit["voxel"], voxel)
        numbers = explored(folder, f"model_{number}")
        for name, result in (("r", fit), ("r2", fit), ("r_upper", tests), ("q", tests)):
            np.testing.assert_allclose(unpacked(numbers[name]), result[name], atol=6e-5)
    (comparison,) = index["comparisons"]
    partition = read_result(study.root / f"partitions/subj01/all/{comparison['name']}.h5")
    for component, parts in explored(folder, "comparison_0").items():
        expected = partition.by_label("variance")[component]
        np.testing.assert_allclose(unpacked(parts["variance"]), expected, atol=6e-5)


def test_the_explorer_shows_the_picture_of_each_image(simulated_report):
    study, _ = simulated_report
    with Image.open(study.root / "report/explorer/subj01/images_0.jpg") as sheet:
        pixels = np.asarray(sheet).astype(int)
    for image in (0, 7, 29):
        row, column = divmod(image, PER_ROW)
        middle = pixels[row * THUMBNAIL + 40, column * THUMBNAIL + 40]
        assert np.abs(middle - 8 * image).max() <= 3


def explored(folder: Path, name: str) -> dict:
    text = (folder / f"{name}.js").read_text()
    return json.loads(re.fullmatch(r'receive\("[^"]+",(.*)\);\n', text)[1])


def test_pages_ask_for_nothing_outside(simulated_report):
    study, _ = simulated_report
    paths = sorted(p for p in (study.root / "report").rglob("*.*") if p.suffix in (".html", ".js"))
    assert len(paths) > len(pages(study))
    for path in paths:
        text = html.unescape(path.read_text())
        assert not re.findall(r"""(?:src|href)\s*=\s*["']?\s*(?:https?:)?//""", text)
        assert not re.findall(r"""url\(\s*["']?https?:|@import""", text)


def test_links_lead_to_files(simulated_report):
    study, _ = simulated_report
    for name, page in pages(study).items():
        links = re.findall(r'(?:href|src)="((?!data:|#)[^"]+)"', page)
        links += re.findall(r'<option value="([^"]+)"', page)
        assert links
        files = [study.root / "report" / link.partition("#")[0] for link in links]
        missing = [str(path) for path in files if not path.exists()]
        assert not missing, name


def test_every_page_says_what_its_data_are(simulated_report):
    study, _ = simulated_report
    for path in (study.root / "report").rglob("*.html"):
        text = path.read_text()
        assert "Simulated data: no brain was measured" in text, path
        assert "Untrained weights" in text, path


def test_one_colour_scale_is_stated_for_all_subjects(simulated_report):
    study, _ = simulated_report
    limits = json.loads((study.root / "maps/colour_limits.json").read_text())
    for subject in study.study.subjects:
        page = pages(study)[f"{subject}.html"]
        assert f"One colour scale for all subjects and maps, ±{limits['r']:g}" in page
        assert f"One colour scale for all subjects and maps, ±{limits['unique']:g}" in page


def test_measured_report_has_no_banner_and_no_planted_truth(measured_report):
    study, _ = measured_report
    assert "recovery.tsv" not in (study.root / "report/validation.html").read_text()
    for path in (study.root / "report").rglob("*.html"):
        assert 'class="banner"' not in path.read_text()
        assert "Simulated data" not in path.read_text()


def test_the_report_quotes_the_experiments_of_known_truth_if_they_were_made(
    simulated_report, measured_report
):
    study, _ = simulated_report
    page = pages(study)["validation.html"]
    assert "Kolmogorov" in page
    table = read_table(study.calibration)
    (off,) = table[table["verdict"] == "off"].itertuples()
    named = rf"{re.escape(str(escape(off.statistic)))}, plain \({off.value:.3f}, expected at "
    assert re.search(rf"checks came out as they should; off by more than chance: {named}", page)
    assert escape(calibration_sentence(study.study)) in page
    without = pages(measured_report[0])["validation.html"]
    assert escape(NOT_CALIBRATED) in without
    assert "checks came out" not in without


def test_experiments_that_were_analysed_otherwise_are_not_quoted(simulated_report, tmp_path):
    study, _ = simulated_report
    table = tmp_path / "calibration.tsv"
    fewer = study.study.calibrated | {"folds": 2}
    write_table(table, read_table(study.calibration), COLUMNS, make_provenance("x", fewer, {}))
    inputs = ReportInputs(
        *(study.study, tmp_path, Anatomy(), {}, study.root / "figures", None, {}, table),
        *(study.root / "benchmarks", {}, {}, tmp_path),
    )
    _, values = _validation(inputs)
    assert values["intro"] == [OTHERWISE_CALIBRATED]
    assert not values["tables"]


@pytest.mark.parametrize(
    ("simulated", "untrained", "n"),
    [(False, [], 0), (True, [], 1), (False, ["alexnet"], 1), (True, ["alexnet"], 2)],
)
def test_banner_for_each_reason(simulated, untrained, n):
    texts = banners({"simulated": simulated, "untrained": untrained})
    assert len(texts) == n
    assert all(name in " ".join(texts) for name in untrained)


def test_maps_are_placed_by_voxel_id_whatever_the_order(tmp_path, monkeypatch):
    study = SyntheticStudy(tmp_path, small_settings(True), True, UNTRAINED)
    path = next(p for p in study.encoding if p.stem == "clip_rn50")
    result = read_result(path)
    write_result(path, result.data.isel(voxel=slice(None, None, -1)), result.provenance)
    study.show(monkeypatch)
    name = "sub-01_space-func1pt8mm_model-clipRn50_stat-r_statmap.nii.gz"
    path = tmp_path / "maps/subj01/all/clip_rn50" / name
    values = nibabel.load(path).get_fdata(dtype=np.float32).ravel()
    expected = result["r"].astype(np.float32)
    np.testing.assert_array_equal(values[result["voxel"]], expected)


def test_a_report_needs_no_further_maps_and_those_are_in_folders(simulated_report):
    folder = simulated_report[0].root / "maps/subj01/all"
    index = read_metadata(folder / INDEX)["maps"]
    assert {one["quantity"] for one in index.values()} == set(DRAWN)
    of_comparison = "clip_rn50_vs_resnet50", "clip_rn50+resnet50"
    expected = {INDEX, "subject", "clip_rn50", "resnet50", *of_comparison}
    assert {path.name for path in folder.iterdir()} == expected
    images = {path.relative_to(folder).as_posix() for path in folder.rglob("*.nii.gz")}
    assert images == set(index)


def test_sidecars_say_what_the_q_of_a_map_covers(measured_report):
    folder = measured_report[0].root / "maps/subj01/all"
    for path in folder.rglob("*_statmap.json"):
        shows_q = "_stat-q_" in path.name or "_desc-fdr05_" in path.name
        reported = json.loads(path.read_text()).get("FalseDiscoveryFamily")
        assert (reported is not None) == shows_q, path
        if shows_q:
            image = path.with_name(path.name.replace(".json", ".nii.gz")).name
            q = re.sub(r"_stat-(\w+?)(_desc-fdr05)?_statmap", "_stat-q_statmap", image)
            n_tests = np.isfinite(nibabel.load(path.parent / q).get_fdata()).sum()
            assert f"voxels of one map of one subject: the {n_tests} tests of this map" in reported


def test_table_values_are_escaped_and_missing_ones_shown():
    table = pd.DataFrame({"model": ["<b>"], "mean_r": [np.nan]})
    assert "&lt;b&gt;" in html_table(table)
    assert ">n/a<" in html_table(table)


@pytest.mark.parametrize(("n", "sizes"), [(1, [1]), (5, [5]), (12, [6, 6])])
def test_many_models_are_shown_in_several_pictures_all_of_them_once(n, sizes):
    rows = {f"model{number}": f"entities{number}" for number in range(n)}
    parts = [*in_parts(rows)]
    assert [len(part) for _, part in parts] == sizes
    assert len({end for end, _ in parts}) == len(parts)
    assert [item for _, part in parts for item in part.items()] == [*rows.items()]


def test_what_rounds_to_zero_has_no_sign():
    assert ">-0.000<" not in html_table(pd.DataFrame({"mean_r": [-0.0001, -0.5]}))
    assert ">-0.500<" in html_table(pd.DataFrame({"mean_r": [-0.0001, -0.5]}))


def test_methods_state_of_what_is_switched_on_and_list_what_they_cite():
    further = {"split_half": {}, "out_of_distribution": {"set": "synthetic"}}
    further |= {
        "repeated_splits": {"models": ["bert"]},
        "keywords": {},
        "cross_subject": {},
        "component_agreement": {},
    }
    further |= {"component_variance": {"comparisons": ["alexnet_vs_bert"]}}
    settings = yaml.safe_load(TINY.read_text()) | further
    settings["simulation"]["synthetic"] = {}
    searched = search_sentence(pd.DataFrame({"n_searched_exactly": [2], "n_voxels": [9]}))
    whole = methods_paragraphs(parse_configuration(settings), searched=searched)
    barest = methods_paragraphs(parse_configuration({**bare(settings), "subjects": ["subj01"]}))
    for word in ("Layers.", "Learning curves.", "Identification.", "Components.", "Group."):
        assert any(text.startswith(word) for text in whole)
        assert not any(text.startswith(word) for text in barest)
    known = {
        **REFERENCES,
        **dict(itertools.chain(*(a.references.items() for a in ANALYSES.values()))),
    }
    cited = {full for name, full in known.items() if name in " ".join(whole)}
    assert set(references(whole)) == cited == set(known.values())
    assert not any("Kriegeskorte, N., Mur" in full for full in references(barest))


def test_untrained_networks_that_a_figure_displays_are_named_below_it():
    drawn, axis = plt.subplots(layout="constrained")
    axis.plot([0, 1], label="clip_rn50 minus bert")
    axis.set_xticks([0, 1], ["alexnet", "bert"])
    axis.legend()
    note_untrained(drawn, ["clip_rn50", "clip", "alexnet", "resnet50"])
    assert drawn.get_supxlabel() == "Untrained networks: clip_rn50, alexnet"
    drawn, axis = plt.subplots()
    axis.set_title("alexnet_conv3")
    note_untrained(drawn, ["alexnet"])
    assert drawn.get_supxlabel() == ""


def test_counts_are_whole_though_some_are_missing():
    table = pd.DataFrame({"n_significant": [146.0, np.nan], "mean_r": [0.51234, 1.0]})
    text = html_table(table)
    assert ">146<" in text
    assert 'data-value="0.51234">0.512<' in text
    assert ">1.000<" in text


def test_small_numbers_are_not_shown_as_zero():
    text = html_table(pd.DataFrame({"p_t": [3.4e-5, 0.0, 0.04, -0.0001]}))
    assert re.findall(r'">([^<]+)</td>', text) == ["3e-05", "0.000", "0.040", "-1e-04"]


def test_with_one_subject_the_region_that_differs_most_has_its_interval_over_test_images():
    values = bare(yaml.safe_load(TINY.read_text())) | {"subjects": ["subj01"]}
    study = parse_configuration(values)
    table = pd.DataFrame(
        {
            "roi": ["face", "scene", "body"],
            "score": ["alexnet minus bert", "alexnet minus bert", "alexnet"],
            "region_mean": [0.01, -0.05, 0.3],
            "region_lower": [0.0, -0.08, 0.2],
            "region_upper": [0.02, -0.03, 0.4],
        }
    )
    reported = difference_interval(
        study, {"roi_intervals": table}, "alexnet_vs_bert", ("bert", "alexnet")
    )
    assert "the difference is largest in scene" in reported
    assert "5.0 percentage points (95 % interval over test images 3.0 to 8.0)" in reported
    everywhere = table.assign(roi=["all", "scene", "body"])
    reported = difference_interval(
        study, {"roi_intervals": everywhere}, "alexnet_vs_bert", ("alexnet", "bert")
    )
    assert "The difference is 1.0 percentage points (95 % interval over test images 0.0" in reported
