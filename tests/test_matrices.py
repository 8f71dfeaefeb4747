"""A dataset of plain matrices: what its files mean, and what is refused of them."""

from __future__ import annotations

import runpy
from pathlib import Path

import h5py
import nibabel
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import ROOT, TINY, Study
from PIL import Image

from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.anatomy import Anatomy, open_anatomy
from pipeline.dataset.images import open_images
from pipeline.dataset.regions import open_regions
from pipeline.dataset.responses import open_responses
from pipeline.errors import InputError
from pipeline.estimates.study_size import subject_size
from pipeline.matrices.check import find_problems
from pipeline.nsd.manifest import read_manifest, required_files
from pipeline.results.storage import read_result
from pipeline.results.tables import read_table

N_IMAGES, N_VOXELS = 12, 7
SUBJECTS = ["anna", "ben"]


def write_table(path: Path, **columns: object) -> None:
    pd.DataFrame(columns).to_csv(path, sep="\t", index=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two subjects and twelve images, of which the first four are shared; anna saw some twice."""
    generator = np.random.default_rng(0)
    folder, images = tmp_path / "lab", np.arange(N_IMAGES)
    (folder / "pictures").mkdir(parents=True)
    names = [f"pictures/{image}.png" for image in images]
    for image, name in zip(images, names, strict=True):
        Image.fromarray(np.full((6, 5, 3), image, np.uint8)).save(folder / name)
    write_table(folder / "images.tsv", image=images, shared=1 * (images < 4), picture=names)
    captions = np.repeat(images, 2)
    write_table(folder / "captions.tsv", image=captions, caption=[f"no {i}" for i in captions])
    for subject, shown in zip(SUBJECTS, ([3, 0, 3, 9, 0, 3], [0, 1, 2, 3, 11]), strict=True):
        (folder / subject).mkdir()
        np.save(folder / subject / "images.npy", shown)
        np.save(folder / subject / "responses.npy", generator.normal(size=(len(shown), N_VOXELS)))
    mask = np.zeros((3, 4, 5), np.uint8)
    mask.ravel()[[1, 5, 8, 30, 41, 50, 59]] = 1
    nibabel.save(nibabel.Nifti1Image(mask, np.diag([2, 2, 3, 1.0])), folder / "anna/mask.nii.gz")
    regions = {"column": [0, 1, 1], "atlas": ["a", "a", "b"], "roi": ["x", "y", "z"]}
    write_table(folder / "anna/regions.tsv", **regions)
    write_table(folder / "ben/regions.tsv", column=[4], atlas=["a"], roi=["w"])
    np.save(folder / "anna/noise_ceiling.npy", np.full(N_VOXELS, 0.2))
    return folder


def opened(folder: Path, subject: str = "anna"):
    return open_responses(folder, subject, {})


def test_rows_of_an_image_are_averaged_and_state_the_noise(folder):
    responses, rows = opened(folder), np.load(folder / "anna/responses.npy")
    assert responses.nsd_id.tolist() == [0, 3, 9]
    averaged = responses.averaged(responses.voxel[2:5])
    of_image = {0: rows[[1, 4], 2:5], 3: rows[[0, 2, 5], 2:5], 9: rows[[3], 2:5]}
    np.testing.assert_allclose(
        averaged.responses, [part.mean(axis=0) for part in of_image.values()], rtol=1e-5
    )
    assert averaged.n_repeats.tolist() == [2, 3, 1]
    # pooled within images: 1 + 2 degrees of freedom
    expected = (of_image[0].var(axis=0, ddof=1) + 2 * of_image[3].var(axis=0, ddof=1)) / 3
    np.testing.assert_allclose(averaged.noise_variance, expected, rtol=1e-4)


def test_hdf5_holds_the_same_responses(folder):
    rows, before = np.load(folder / "anna/responses.npy"), opened(folder)
    expected = before.averaged(before.voxel).responses
    (folder / "anna/responses.npy").unlink()
    with h5py.File(folder / "anna/responses.h5", "w") as file:
        file["responses"] = rows
    after = opened(folder)
    np.testing.assert_array_equal(after.averaged(after.voxel).responses, expected)


def test_a_mask_says_where_voxels_are_and_without_one_they_are_a_row(folder):
    assert opened(folder).voxel.tolist() == [1, 5, 8, 30, 41, 50, 59]
    assert opened(folder).geometry["affine"][2, 2] == 3
    ben = opened(folder, "ben")
    assert ben.voxel.tolist() == [*range(N_VOXELS)]
    assert ben.geometry["grid_shape"].tolist() == [N_VOXELS, 1, 1]


def test_reliability_is_given_or_estimated_from_repeats_or_not_known(folder):
    assert opened(folder, "ben").ncsnr() is None
    np.testing.assert_allclose(opened(folder).ncsnr() ** 2, 0.2 / 0.8)
    (folder / "anna/noise_ceiling.npy").unlink()
    generator = np.random.default_rng(1)
    shown = np.repeat(np.arange(N_IMAGES), 200)
    signal = generator.permuted(np.tile(np.linspace(-1, 1, N_IMAGES), (N_VOXELS, 1)), axis=1).T
    noise = generator.normal(size=(len(shown), N_VOXELS))
    np.save(folder / "anna/images.npy", shown)
    # a far mean changes nothing
    np.save(folder / "anna/responses.npy", 1e4 + signal[shown] + 2 * noise)
    expected = np.linspace(-1, 1, N_IMAGES).std() / 2
    np.testing.assert_allclose(opened(folder).ncsnr(), expected, rtol=0.2)
    averaged = opened(folder).averaged(opened(folder).voxel)
    np.testing.assert_allclose(averaged.noise_variance, 4, rtol=0.1)
    np.testing.assert_allclose(averaged.responses - 1e4, signal, atol=0.6)


def test_voxels_without_a_response_to_some_image_are_counted(folder, capsys):
    rows = np.load(folder / "ben/responses.npy")
    rows[2, 1:3] = np.nan
    np.save(folder / "ben/responses.npy", rows)
    assert opened(folder, "ben").incomplete() == 2
    assert find_problems(folder, SUBJECTS, ["a"], []) == []
    assert "warning: ben: 2 of 7 voxels lack" in capsys.readouterr().out


def test_captions_may_have_quotes(folder):
    (folder / "captions.tsv").write_text('image\tcaption\n0\t"Go, he said\n1\tend"\n0\tb\n')
    assert open_images(folder).texts(np.array([0, 1]), "captions") == [
        ['"Go, he said', "b"],
        ['end"'],
    ]


def test_regions_have_the_same_numbers_in_all_subjects(folder):
    anna, ben = (open_regions(folder, subject, {}) for subject in SUBJECTS)
    assert anna.names("a") == ben.names("a") == {1: "x", 2: "y", 3: "w"}
    table = anna.labels(["a"], opened(folder).voxel)
    assert table[["voxel", "roi"]].to_numpy().tolist() == [[1, "x"], [5, "y"]]
    assert anna.values("a", opened(folder).voxel).tolist() == [1, 2, 0, 0, 0, 0, 0]
    assert ben.values("a", np.arange(N_VOXELS)).tolist() == [0, 0, 0, 0, 3, 0, 0]


def test_images_have_pictures_and_captions(folder):
    images = open_images(folder)
    assert images.seen("ben").tolist() == [0, 1, 2, 3, 11]
    assert images.shared().tolist() == [0, 1, 2, 3]
    batches = list(images.pictures(np.array([2, 7, 9]), 2))
    assert [batch.shape for batch in batches] == [(2, 6, 5, 3), (1, 6, 5, 3)]
    assert [batch[0, 0, 0, 0] for batch in batches] == [2, 9]
    assert images.texts(np.array([4]), "captions") == [["no 4", "no 4"]]
    assert type(open_anatomy(folder, "anna", "volume")) is Anatomy


def replace(path: str, content: object):
    """Write an array or a table in the place of a file of the dataset."""

    def change(folder: Path) -> None:
        if isinstance(content, dict):
            write_table(folder / path, **content)
        else:
            np.save(folder / path, content)

    change.__name__ = path
    return change


def archive(path: str):
    def change(folder: Path) -> None:
        np.savez(folder / "archive.npz", 1)
        (folder / "archive.npz").rename(folder / path)

    return change


def remove(path: str):
    return lambda folder: (folder / path).unlink()


IMAGES = {"image": [0, 1, 2, 3, 9, 11]}
WRONG = [
    (remove("ben/images.npy"), "ben/images.npy: not found"),
    (remove("ben/responses.npy"), "ben: has 0 files of responses"),
    (replace("ben/images.npy", [0, 1, 2, 3]), "has 5 rows, but images.npy names 4 images"),
    (replace("ben/images.npy", [0, 1, 2, 3, 12]), "does not list 1 of its images, first 12"),
    (replace("ben/images.npy", [0.0, 1, 2, 3, 4]), "write one whole number for each row"),
    (replace("ben/responses.npy", np.zeros((5, 7, 2))), r"of shape \(5, 7, 2\)"),
    (replace("ben/responses.npy", np.full((5, 7), "a")), "write numbers"),
    (replace("anna/responses.npy", np.zeros((6, 8))), "7 voxels of a grid .* 8 columns"),
    (replace("anna/noise_ceiling.npy", np.full(N_VOXELS, 20.0)), "from 0 to below 1"),
    (
        replace("anna/regions.tsv", {"column": [7], "atlas": ["a"], "roi": ["x"]}),
        "there is no column 7; responses have 7",
    ),
    (replace("anna/regions.tsv", {"column": [0], "atlas": ["b"]}), "lacks the column roi"),
    (replace("images.tsv", {"image": [0, 0]}), "image 0 is listed twice"),
    (replace("images.tsv", {"image": ["a"]}), "image in line 2 is 'a'"),
    (replace("images.tsv", {**IMAGES, "shared": [2] * 6}), "column shared has '2'"),
    (replace("images.tsv", IMAGES), "has no column picture"),
    (remove("pictures/9.png"), "pictures/9.png: not found"),
    (
        lambda folder: Image.new("RGB", (6, 6)).save(folder / "pictures/9.png"),
        "has 6 × 6 pixels, the first picture 6 × 5",
    ),
    (lambda folder: (folder / "pictures/9.png").write_text("x"), "9.png: not a picture"),
    (archive("ben/images.npy"), "is an archive of arrays"),
    (replace("anna/noise_ceiling.npy", np.full(N_VOXELS, np.nan)), "without NaN"),
    (replace("anna/noise_ceiling.npy", np.full(N_VOXELS, "a")), "<U1 of shape"),
    (replace("ben/responses.npy", np.full((5, 7), np.inf)), "has infinite values"),
    (
        replace("ben/responses.npy", np.where(np.arange(5) == 1, np.nan, np.ones((7, 5))).T),
        "every voxel is NaN in all presentations of some image",
    ),
    (
        lambda folder: [
            np.save(folder / "ben/images.npy", np.zeros(256, int)),
            np.save(folder / "ben/responses.npy", np.zeros((256, N_VOXELS))),
        ],
        "image 0 is shown 256 times; at most 255",
    ),
    (
        replace("anna/regions.tsv", {"column": [0], "atlas": ["all"], "roi": ["x"]}),
        "'all' cannot be the name of an atlas",
    ),
    (
        replace("anna/regions.tsv", {"column": [0], "atlas": ["a"], "roi": [" "]}),
        "a row has no name in column roi",
    ),
    (
        replace("images.tsv", {"image": [*range(N_IMAGES)], "shared": [1, 0] + [0] * 10}),
        "saw 1 images whose column shared is 1, but at least 3",
    ),
    (replace("captions.tsv", {"image": [0], "caption": ["x"]}), "captions.tsv lacks 5 images"),
    (replace("captions.tsv", {"image": [0], "caption": [" "]}), "line 2 has no caption"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[text for _, text in WRONG])
def test_wrong_files_are_refused_before_long_work(folder, change, message):
    np.save(folder / "anna/images.npy", [3, 0, 3, 9, 1, 3])
    arguments = (folder, SUBJECTS, ["a"], ["image", "captions"], ["shared1000"])
    assert find_problems(*arguments) == []
    change(folder)
    with pytest.raises(AssertionError, match=message):
        assert not (problems := find_problems(*arguments)), "\n".join(problems)


def test_a_damaged_file_is_named(folder):
    path = folder / "anna/responses.npy"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"responses\.npy: truncated or damaged"):
        opened(folder)


def test_what_the_dataset_lacks_is_refused_by_name(folder):
    with pytest.raises(InputError, match="no all_objects"):
        open_images(folder).texts(np.array([0]), "all_objects")
    problems = find_problems(folder, SUBJECTS, ["z"], ["categories"])
    assert "has the atlas z; atlases are a, b" in problems[0]
    assert "has no categories" in problems[-1]


def values(folder: Path, **changes: object) -> dict:
    return {
        **{"study": "lab", "dataset": {"kind": "matrices", "folder": str(folder)}},
        **{"stimulus_set": "lab", "subjects": SUBJECTS, "rois": ["a"]},
        "networks": {
            "words": {"library": "file", "path": "words.npz", "ids": "nsd_id"},
            "pixels": {
                **{"library": "low_level", "architecture": "gabor_energy"},
                **{"stimulus": "image", "weights": "none"},
            },
        },
        "feature_spaces": {
            "words": {"network": "words", "layer": "words"},
            "pixels": {"network": "pixels", "layer": "colour"},
        },
        "splits": {"folds": 4, "seed": 0},
        "encoding": {
            "alphas": {"minimum": 1.0e-3, "maximum": 1.0e4, "number": 8},
            **{"band_weight_samples": 5, "seed": 0},
        },
        **{"significance": {"draws": 200}, "models": ["words", "pixels"]},
        "comparisons": {"words_vs_pixels": ["words", "pixels"]},
        **changes,
    }


def test_a_configuration_of_matrices_needs_nothing_of_nsd(folder):
    study = parse_configuration(values(folder))
    manifest = read_manifest(ROOT / "data_manifest.yaml")
    assert required_files(manifest, study) == []
    assert study.map_spaces == ["volume"]
    size = subject_size(study, manifest, "anna")
    assert (size.images, size.test_images, size.voxels, size.grid) == (3, 2, N_VOXELS, 60)
    # a frozen run is read again
    assert parse_configuration(study.model_dump(mode="json")) == study


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nsd": "data/nsd"}, "nsd: belongs to NSD; remove it, or `dataset`"),
        ({"responses": {"space": "func1mm"}}, "responses: belongs to NSD"),
        ({"subjects": ["mean"]}, "subjects: mean is reserved"),
        ({"maps": {"spaces": ["MNI152"]}}, "MNI152 can only be reached from NSD"),
        ({"variants": {"food": {"subset": {"category": "food"}}}}, "needs labels of objects"),
        ({"interpretation": {"model": "words"}}, "interpretation: needs labels of objects"),
        ({"keywords": {}}, "keywords.atlases: unknown name 'composite'; did you mean"),
        ({"encoders": {"models": ["pixels"]}}, "encoders: are only written for NSD"),
        ({"splits": {"test": "shared515", "folds": 4, "seed": 0}}, "only NSD has shared515"),
    ],
)
def test_what_only_nsd_has_is_refused(folder, changes, message):
    with pytest.raises(InputError, match=message):
        parse_configuration(values(folder, **changes))


def test_captions_that_an_analysis_reads_are_checked_before_long_work(folder):
    (folder / "captions.tsv").unlink(missing_ok=True)
    pictures = values(folder, keywords={"atlases": ["a"]})
    pictures["models"], pictures["comparisons"] = ["pixels"], {}
    study = parse_configuration(pictures)
    problems = find_problems(folder, study.subjects, study.read_atlases, study.stimuli)
    assert any("captions.tsv: not found" in problem for problem in problems)


@pytest.mark.parametrize("missing", ["nsd", "responses"])
def test_nsd_still_needs_its_keys(missing):
    lacking = yaml.safe_load(TINY.read_text())
    del lacking[missing]
    with pytest.raises(InputError, match=f"{missing}: this key is missing"):
        parse_configuration(lacking)


def test_the_page_brings_algonauts_data_into_this_layout(tmp_path, monkeypatch):
    """With a made-up folder of the challenge: five pictures, seven vertices."""
    source, generator = tmp_path / "algonauts_2023_challenge_data/subj01", np.random.default_rng(0)
    for name in ("training_split/training_images", "training_split/training_fmri", "roi_masks"):
        (source / name).mkdir(parents=True)
    for number in range(5):
        picture = Image.fromarray(np.full((6, 6, 3), number, np.uint8))
        picture.save(source / f"training_split/training_images/train-{number:04}_nsd-{number}.png")
    widths, labels = {"lh": 4, "rh": 3}, {"lh": [0, 2, 0, 0], "rh": [0, 0, 2]}
    fmri = {side: generator.normal(size=(5, width)) for side, width in widths.items()}
    for side in widths:
        np.save(source / f"training_split/training_fmri/{side}_training_fmri.npy", fmri[side])
        np.save(source / f"roi_masks/{side}.floc-faces_challenge_space.npy", labels[side])
    np.save(source / "roi_masks/mapping_floc-faces.npy", {0: "Unknown", 2: "FFA-1"})
    page = (ROOT / "docs/datasets.md").read_text()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "page.py").write_text(page.split("```python\n")[1].split("```")[0])
    runpy.run_path("page.py")
    folder = tmp_path / "data/algonauts"
    assert find_problems(folder, ["subj01"], ["floc-faces"], ["image"]) == []
    responses = opened(folder, "subj01")
    expected = np.hstack([fmri["lh"], fmri["rh"]])
    np.testing.assert_allclose(responses.averaged(responses.voxel).responses, expected, rtol=1e-6)
    table = open_regions(folder, "subj01", {}).labels(["floc-faces"], responses.voxel)
    assert table[["voxel", "roi", "hemisphere"]].to_numpy().tolist() == [
        [1, "FFA-1", "lh"],
        [6, "FFA-1", "rh"],
    ]


@pytest.mark.workflow
def test_a_study_of_matrices_alone_runs_to_its_report(tmp_path):
    """Features of a file and of pictures each explain the voxels that they drive, and no other."""
    generator = np.random.default_rng(0)
    n_images, n_shared, driven = 300, 60, np.repeat(["words", "pixels", "noise"], 8)
    folder, images = tmp_path / "lab", np.arange(300)
    (folder / "pictures").mkdir(parents=True)
    colours = generator.integers(0, 256, (n_images, 2, 2, 3)).astype(np.uint8)
    names = [f"pictures/{image}.png" for image in images]
    for name, colour in zip(names, colours, strict=True):
        Image.fromarray(colour.repeat(16, axis=0).repeat(16, axis=1)).save(folder / name)
    write_table(folder / "images.tsv", image=images, shared=1 * (images < n_shared), picture=names)
    words, order = generator.normal(size=(n_images, 12)), generator.permutation(n_images)
    np.savez(tmp_path / "words.npz", words=words[order], nsd_id=order)
    sources = {"words": words, "pixels": colours.reshape(n_images, -1) / 74.0}
    for number, subject in enumerate(SUBJECTS):
        (folder / subject).mkdir()
        own = np.arange(n_shared + 120 * number, n_shared + 120 * (number + 1))
        shown = generator.permutation(np.r_[np.repeat(images[:n_shared], 3), own])
        rows = generator.normal(size=(len(shown), len(driven)))
        for voxel, source in enumerate(driven):
            if source in sources:
                signal = sources[source] @ generator.normal(size=12)
                rows[:, voxel] += 1.2 * ((signal - signal.mean()) / signal.std())[shown]
        np.save(folder / subject / "images.npy", shown)
        np.save(folder / subject / "responses.npy", rows)
        regions = {"column": np.arange(16), "atlas": "a", "roi": driven[:16]}
        write_table(folder / subject / "regions.tsv", **regions)
    study = Study(tmp_path, tmp_path / "lab.yaml")
    study.configuration.write_text(yaml.safe_dump(values(Path("lab"))))
    study.snakemake()
    results = tmp_path / "results/lab"
    partitions = read_table(results / "tables/partitions.tsv")
    of_roi = partitions.set_index(["subject", "roi", "component"])["mean_variance"]
    for subject in SUBJECTS:
        for space, other in (("words", "pixels"), ("pixels", "words")):
            assert of_roi[subject, space, space] > 0.5
            assert abs(of_roi[subject, space, other]) < 0.05
        fitted = read_result(results / f"encoding/{subject}/all/words+pixels.h5")
        # of three presentations of each test image
        ceiling = fitted["noise_ceiling"][driven != "noise"]
        assert ceiling.mean() == pytest.approx(1.44 / (1.44 + 1 / 3), abs=0.06)
    methods = (results / "report/methods.html").read_text()
    assert "Single presentations (300 of anna, 300 of ben) were read from matrices" in methods
    assert "Natural Scenes" not in methods
    assert study.planned() == {}
    # regions change labels and tables, and no fit
    regions = folder / "anna/regions.tsv"
    regions.write_text(regions.read_text().replace("pixels", "colour"))
    planned = study.planned()
    assert "label_rois" in planned
    assert not planned.keys() & {"average_responses", "fit_encoding_models", "extract_features"}
    np.save(folder / "ben/responses.npy", np.load(folder / "ben/responses.npy") + 1)
    planned = study.planned()
    assert planned["average_responses"] == 1
    assert planned["fit_encoding_models"] == 3
    # without shared images there is no part of them to extract
    table = pd.read_csv(folder / "images.tsv", sep="\t").drop(columns="shared")
    table.to_csv(folder / "images.tsv", sep="\t", index=False)
    study.edit(lambda values: values["splits"].update(test="random"))
    study.snakemake("encoding")
    split = read_table(results / "splits/anna/all.tsv")
    assert (split["set"] == "test").sum() == pytest.approx(0.15 * 180, abs=1)
