"""Features of a user's own: rows of a file by ids, and one clear error for each bad file."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import TINY, bare

from features import checkpoints
from features.checkpoints import checkpoint_hash
from features.costs import network_cost
from features.extraction import vector_features
from features.layers import Layer
from features.networks import check_specification, load_network
from pipeline.analyses.confounds.analysis import ANALYSIS as CONFOUNDS
from pipeline.configuration.checkpoints import features_to_expect, network_to_load
from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.given_features import check_given_features
from pipeline.dataset.images import Images
from pipeline.dataset.stimulus_readers import read_stimuli
from pipeline.errors import InputError
from pipeline.jobs.job_settings import job_settings
from pipeline.report.methods import methods_paragraphs
from pipeline.results.tables import write_table
from pipeline.show import print_layers
from pipeline.stages import extract_features

N = 40
NUMBERS = {"nsd_id": np.arange(N), "73KID": np.arange(1, N + 1), "coco_id": 1000 + 7 * np.arange(N)}
# the study's, which are fewer than the dataset has
NSD_ID = np.array([0, 2, 3, 5, 8, 13, 21, 34])


class FewImages(Images):
    """Images of a dataset that knows them by NSD's and COCO's numbers."""

    def seen(self, subject):
        return NSD_ID

    def ids(self, kind):
        return NUMBERS[kind]


# rows in any order; more of them than the study needs
ORDER = np.random.default_rng(0).permutation(np.union1d(NSD_ID, [1, 30, 31]))
MATRIX = np.random.default_rng(1).normal(size=(N, 6)).astype(np.float32)
SECOND = np.random.default_rng(2).integers(0, 9, (N, 3))


def write(folder: Path, ending: str, kind: str) -> dict[str, str]:
    """Write the matrix in a format; return the specification and its layer."""
    path, ids = folder / f"mine.{ending}", NUMBERS[kind][ORDER]
    rows, more, layer = MATRIX[ORDER], {}, "features"
    if ending == "npy":
        np.save(path, np.asfortranarray(rows))
        np.save(folder / "ids.npy", ids)
        more = {"image_ids": str(folder / "ids.npy")}
    elif ending == "npz":
        np.savez(path, fc7=rows, fc8=SECOND[ORDER], **{kind: ids})
        layer = "fc7"
    elif ending in ("h5", "hdf5"):
        with h5py.File(path, "w") as file:
            for name, values in (("fc7", rows), ("fc8", SECOND[ORDER]), ("images", ids)):
                file.create_dataset(name, data=values, chunks=True, compression="gzip")
        more, layer = {"image_ids": "images"}, "fc7"
    else:
        frame = pd.DataFrame(rows, columns=[f"f{column}" for column in range(6)])
        # ids may be whole numbers that are written as decimals
        frame.insert(2, "picture", ids.astype(float) if ending == "csv" else ids)
        frame.to_csv(path, index=False) if ending == "csv" else frame.to_parquet(path)
        more = {"image_ids": "picture"}
    return {
        **{"library": "file", "architecture": "given", "name": "mine", "stimulus": kind},
        **{"weights": str(path), **more, "layer": layer},
    }


@pytest.mark.parametrize(
    ("ending", "kind"),
    [
        *(("npy", "nsd_id"), ("npz", "73KID"), ("h5", "coco_id"), ("hdf5", "nsd_id")),
        *(("csv", "coco_id"), ("parquet", "73KID")),
    ],
)
def test_every_image_has_its_row_whatever_format_numbering_and_order(tmp_path, ending, kind):
    settings = write(tmp_path, ending, kind)
    layer = Layer(settings.pop("layer"))
    check_specification(settings)
    network = load_network(settings, "cpu")
    batches = read_stimuli(FewImages(), NSD_ID, kind, 3)
    found = np.concatenate([part[layer] for part in vector_features(network, batches, [layer])])
    np.testing.assert_array_equal(found, MATRIX[NSD_ID])
    assert found.dtype == np.float32
    provenance = network.identity()
    digest = checkpoint_hash(Path(settings["weights"]))
    assert (provenance["weights"], provenance["weights_sha256"]) == ("given", digest)
    assert provenance["weights_label"] == f"given ({settings['weights']}, sha256 {digest[:12]})"
    assert kind in provenance["preprocessing"]
    # what estimates are made of
    cost = network_cost(settings, [layer])
    assert (dict(cost.widths), cost.operations) == ({layer: 6}, 0)
    checked = {"networks": {"mine": settings}, "layers": {"mine": [layer.name]}}
    assert check_given_features(FewImages(), NSD_ID, **checked) == []


def test_arrays_that_match_a_pattern_are_layers(tmp_path):
    settings = write(tmp_path, "h5", "nsd_id")
    found = load_network(settings, "cpu").expand([Layer("fc*")])
    assert found == [Layer("fc7"), Layer("fc8")]


def saved(**arrays):
    """A change of the file that writes an NPZ with these arrays in addition to ids and features."""

    def change(path: Path) -> None:
        content = {"73KID": NUMBERS["73KID"][ORDER], "fc7": MATRIX[ORDER], **arrays}
        np.savez(path, **{name: values for name, values in content.items() if values is not None})

    return change


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def replaced(row: int, column: int, value: float) -> np.ndarray:
    changed = MATRIX[ORDER].copy()
    changed[row, column] = value
    return changed


KNOWN = NUMBERS["73KID"][ORDER]
USED = int(np.flatnonzero(NSD_ID[1] == ORDER)[0])
BAD = {
    "missing file": (Path.unlink, r"mine\.npz: not found\. Correct the path"),
    "empty file": (lambda path: path.write_bytes(b""), r"mine\.npz: cannot be read"),
    "truncated file": (cut, r"mine\.npz: cannot be read .*: truncated, damaged"),
    "another format": (lambda path: path.write_text("a,b"), r"another format than its ending says"),
    "no ids": (
        saved(**{"73KID": None}),
        r"has no ids named `73KID`\. Name .* in `image_ids`\. It has `fc7` \(11 × 6, float32\)",
    ),
    "ids of text": (saved(**{"73KID": KNOWN.astype(str)}), r"73KID: ids are <U\d+ of shape"),
    "ids in a matrix": (saved(**{"73KID": KNOWN[:, None]}), r"ids are int64 of shape \(11, 1\)"),
    "an id that is no whole number": (saved(**{"73KID": KNOWN + 0.5}), r"\.5 is no id of an image"),
    "an id that is negative": (saved(**{"73KID": KNOWN - 10}), r"-\d is no id of an image"),
    "ids of fewer rows": (saved(**{"73KID": KNOWN[:-2]}), r"fc7 has 11 rows, but there are 9 ids"),
    "an id twice": (
        saved(**{"73KID": np.where(KNOWN == 3, 4, KNOWN)}),
        r"1 ids are there more than once \(4\); keep one row for each image",
    ),
    "a vector": (saved(fc7=MATRIX[ORDER, 0]), r"fc7 has shape \(11,\); write a matrix"),
    "maps of features": (
        saved(fc7=np.zeros((len(ORDER), 3, 2))),
        r"fc7 has shape \(11, 3, 2\); write a matrix .*reshape\(len\(array\), -1\)",
    ),
    "text": (saved(fc7=MATRIX[ORDER].astype(str)), r"fc7 holds <U\d+, no numbers"),
    "objects": (saved(fc7=MATRIX[ORDER].astype(object)), r"fc7 holds object, no numbers"),
    "complex numbers": (saved(fc7=MATRIX[ORDER] * 1j), r"fc7 holds complex\d+, no numbers"),
    "no such array": (
        saved(fc7=None, fc6=MATRIX[ORDER], conv=SECOND[ORDER]),
        r"has no array `fc7`; correct `layer:` .* has `fc6` \(11 × 6, float32\), `conv`",
    ),
    "ids from 0 for 73KID": (
        saved(**{"73KID": ORDER}),
        r"1 of its 11 ids \(0\) are no 73KID, which are 1 to 40\. With `ids: nsd_id` it has every",
    ),
    "COCO's ids for 73KID": (
        saved(**{"73KID": NUMBERS["coco_id"][ORDER]}),
        r"11 of its 11 ids \(\d+, .*, …\) are no 73KID, .* With `ids: coco_id` it has every image",
    ),
    "images that the file lacks": (
        saved(**{"73KID": KNOWN[2:], "fc7": MATRIX[ORDER[2:]]}),
        r"lacks \d of the study's 8 images \(73KID \d+.*\)\. Add the rows, or correct `ids`",
    ),
    "a missing value": (
        saved(fc7=replaced(USED, 4, np.nan)),
        rf"fc7 has NaN or infinite values, first in column 4 of the image {KNOWN[USED]}",
    ),
    "a number beyond single precision": (
        saved(fc7=replaced(USED, 1, 1).astype(np.float64) * 1e300),
        r"fc7 has NaN or infinite values",
    ),
    "constant features": (
        saved(fc7=np.ones_like(MATRIX[ORDER])),
        r"fc7: no column varies over the images of the study",
    ),
}


def problem_of(settings: dict[str, str]) -> str:
    """What is said of a file by the checks before long work; nothing if it is good."""
    layer = settings["layer"]
    try:
        check_specification(settings)
        network_cost(settings, [Layer.parse(layer)])
        checked = {"networks": {"mine": settings}, "layers": {"mine": [layer]}}
        check_given_features(FewImages(), NSD_ID, **checked)
    except (ValueError, InputError) as error:
        return str(error)
    return ""


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_reported_in_one_sentence_that_names_it(tmp_path, case):
    change, message = BAD[case]
    settings = write(tmp_path, "npz", "73KID")
    assert problem_of(settings) == ""
    change(Path(settings["weights"]))
    found = problem_of(settings)
    assert "mine.npz" in found
    assert re.search(message, found), found


def test_ids_of_73kid_are_not_taken_for_nsd_ids(tmp_path):
    """By their range, and without the last image by the images that would be lacking."""
    settings = write(tmp_path, "npz", "73KID")
    taken = {**settings, "stimulus": "nsd_id", "image_ids": "73KID"}
    assert "lacks " in problem_of(taken)
    assert "With `ids: 73KID` it has every image of the study" in problem_of(taken)
    everything = {"fc7": MATRIX, "73KID": NUMBERS["73KID"]}
    np.savez(settings["weights"], **everything)
    assert "1 of its 40 ids (40) are no nsd_id, which are 0 to 39" in problem_of(taken)


def test_a_file_may_have_more_images_than_a_dataset_whose_numbers_cannot_be_confused(tmp_path):
    """NSD's can: they count from 0 and from 1."""

    class OneNumbering(FewImages):
        def ids(self, kind):
            return NUMBERS[kind][:-3] if kind == "nsd_id" else Images.ids(self, kind)

    settings = write(tmp_path, "npz", "nsd_id")
    np.savez(settings["weights"], fc7=MATRIX, nsd_id=NUMBERS["nsd_id"])
    checked = {"networks": {"mine": settings}, "layers": {"mine": ["fc7"]}}
    assert check_given_features(OneNumbering(), NSD_ID, **checked) == []


@pytest.mark.parametrize("ending", ["npy", "h5", "csv", "parquet"])
def test_a_truncated_file_of_any_format_is_reported(tmp_path, ending):
    settings = write(tmp_path, ending, "nsd_id")
    path = Path(settings["weights"])
    content = path.read_bytes()
    for length in (0, len(content) // 2):
        path.write_bytes(content[:length])
        assert f"mine.{ending}" in problem_of(settings), length


def test_a_table_with_text_or_the_index_of_pandas_is_refused(tmp_path):
    settings = write(tmp_path, "csv", "nsd_id")
    path = Path(settings["weights"])
    frame = pd.read_csv(path)
    frame.to_csv(path)
    assert "column `Unnamed: 0` holds no numbers, or has no name" in problem_of(settings)
    frame.assign(file="a.jpg").to_csv(path, index=False)
    assert "column `file` holds no numbers" in problem_of(settings)
    frame.assign(f1=np.where(frame.index == USED, np.nan, frame["f1"])).to_csv(path, index=False)
    assert "NaN or infinite" in problem_of(settings)


def test_some_constant_columns_are_counted_in_a_warning(tmp_path):
    settings = write(tmp_path, "npz", "73KID")
    changed = MATRIX[ORDER].copy()
    # the images that the study does not use decide nothing
    changed[np.isin(ORDER, NSD_ID), 2:4] = 1
    saved(fc7=changed)(Path(settings["weights"]))
    checked = {"networks": {"mine": settings}, "layers": {"mine": ["fc7"]}}
    (warning,) = check_given_features(FewImages(), NSD_ID, **checked)
    assert warning.endswith("fc7: 2 of 6 columns are the same for every image")


def test_values_of_images_that_the_study_does_not_use_are_not_looked_at(tmp_path):
    settings = write(tmp_path, "npz", "73KID")
    unused = int(np.flatnonzero(ORDER == 30)[0])
    saved(fc7=replaced(unused, 0, np.inf))(Path(settings["weights"]))
    assert problem_of(settings) == ""


def test_shared_images_that_no_subject_saw_may_be_lacking(tmp_path):
    """All shared images are extracted of a network; of a file, those that it has."""
    shared = np.array([2, 5, 9, 21, 30])
    table = tmp_path / "shared.tsv"
    columns = {"nsd_id": "image", "shared": "shared"}
    write_table(table, pd.DataFrame({"nsd_id": shared, "shared": True}), columns, {})
    settings = write(tmp_path, "npz", "73KID")
    network = load_network(settings, "cpu")
    found = []
    for shard in ("1of2", "2of2"):
        reported = SimpleNamespace(images=table, part="shared", shard=shard, network=settings)
        found.append(extract_features._images(reported, FewImages(), network).tolist())
    assert found == [[2, 5], [21, 30]]


# ---- configuration


@pytest.fixture
def values(tmp_path):
    """The small study's configuration with features of a file beside one network."""
    made = bare(yaml.safe_load(TINY.read_text()))
    settings = write(tmp_path, "npy", "nsd_id")
    made["networks"]["mine"] = {
        **{"library": "file", "path": settings["weights"], "ids": "nsd_id"},
        "image_ids": settings["image_ids"],
    }
    made["feature_spaces"]["mine"] = {"network": "mine", "layer": "features"}
    return {**made, "models": ["alexnet", "mine"], "comparisons": {"both": ["alexnet", "mine"]}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stimulus": "image", "seed": 3}, "`stimulus`, `seed`: not with `library: file`"),
        ({"weights": "none"}, "`weights`: not with `library: file`; remove it"),
        ({"architecture": "x", "precision": "float16"}, "`architecture`, `precision`: not with"),
        ({"ids": "nsdid"}, "networks.mine.ids: Input should be 'nsd_id', '73KID' or 'coco_id'"),
        ({"ids": None}, "networks.mine.ids: Input should be"),
        ({"paht": "x"}, "networks.mine.paht: unknown key"),
    ],
)
def test_settings_that_make_no_sense_are_refused_by_name(values, change, message):
    values["networks"]["mine"] |= change
    with pytest.raises(InputError) as expected_message:
        parse_configuration(values)
    assert message in str(expected_message.value)


def test_settings_of_a_file_are_refused_of_a_network(values):
    values["networks"]["alexnet"] |= {"path": "mine.npy", "ids": "nsd_id"}
    with pytest.raises(InputError, match="`path`, `ids`: only with `library: file`; remove it"):
        parse_configuration(values)


def test_features_of_a_file_are_not_pooled(values):
    values["feature_spaces"]["mine"]["pooling"] = "mean"
    with pytest.raises(InputError, match=r"spaces\.mine\.pooling: not with `library: file`"):
        parse_configuration(values)


def test_encoders_of_a_file_are_refused(values):
    with pytest.raises(InputError, match=r"mine has features of a file \(mine\), for which"):
        parse_configuration({**values, "encoders": {"models": ["mine"]}})


def test_changed_content_is_another_network_and_no_other_job_has_other_settings(values):
    study = parse_configuration(values)
    before, path = job_settings(study), Path(values["networks"]["mine"]["path"])
    ids = Path(values["networks"]["mine"]["image_ids"])
    assert before["own_features"]["networks"] == {"mine": network_to_load(study, "mine")}
    for changed, content in ((path, MATRIX[ORDER] + 1), (ids, ORDER[::-1])):
        original = changed.read_bytes()
        np.save(changed, content)
        after = job_settings(study)
        differing = {key for key in before if before[key] != after[key]}
        assert differing == {"network_specification", "feature_specification", "own_features"}
        for key in ("network_specification", "feature_specification"):
            assert {n for n in before[key] if before[key][n] != after[key][n]} == {"mine"}
        with pytest.raises(ValueError, match=r"npy was replaced since this run began"):
            load_network(before["network_specification"]["mine"], "cpu")
        changed.write_bytes(original)
    assert job_settings(study) == before
    assert "checkpoint_sha256" in features_to_expect(study, "mine")["extracted_from"]


def test_no_text_claims_that_a_network_was_run(values):
    values["models"], values["comparisons"] = ["mine"], {}
    study = parse_configuration(values)
    label = load_network(network_to_load(study, "mine"), "cpu").identity()["weights_label"]
    (provenance,) = [
        text for text in methods_paragraphs(study, {"mine": label}) if "Features." in text
    ]
    digest = checkpoint_hash(Path(values["networks"]["mine"]["path"]))[:12]
    assert label in provenance
    assert digest in provenance
    assert not {"captions", "pretrained", "untrained", "weights", "layer"} & set(provenance.split())
    assert study.annotations == []


def test_confounds_of_a_file_are_not_stated_but_for_its_facts(values):
    study = parse_configuration(values)
    assert CONFOUNDS.job_settings(study)["confounds"]["both"]["mine"] == {}


def test_layers_of_a_file_are_listed_with_their_shapes(values, tmp_path, capsys):
    written = tmp_path / "given.yaml"
    written.write_text(yaml.safe_dump(values))
    print_layers(written, "mine")
    assert capsys.readouterr().out == "features  11 × 6, float32\n"


# ---- hashes


def test_a_large_file_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    """Even by another process, which the emptied cache stands for."""
    monkeypatch.setattr(checkpoints, "LARGE", 10)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, hashed = tmp_path / "mine.npy", []
    content_hash = checkpoints._content_hash
    monkeypatch.setattr(
        checkpoints, "_content_hash", lambda path: hashed.append(path) or content_hash(path)
    )

    def digest() -> str:
        checkpoints._file_hash.cache_clear()
        return checkpoint_hash(path)

    path.write_bytes(b"features of mine")
    first = digest()
    assert (digest(), len(hashed)) == (first, 1)
    path.write_bytes(b"features of yours")
    assert digest() != first
    assert len(hashed) == 2
    # where nothing can be kept it is hashed each time
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert digest() == digest()
    assert len(hashed) == 4


def test_an_archive_is_known_by_its_headers_alone(tmp_path):
    """Its arrays are read only when rows are asked for."""
    settings = write(tmp_path, "npz", "73KID")
    path = Path(settings["weights"])
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    content["fc7.npy"] = content["fc7.npy"][:-8]
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    assert network_cost(settings, [Layer("fc7")]).widths == {Layer("fc7"): 6}
    assert "cannot be read" in problem_of(settings)
