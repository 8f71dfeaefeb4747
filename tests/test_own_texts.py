"""Texts of a user's own, and first captions, in the place of all captions of an image."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import TINY, bare

from features.layers import Layer
from features.networks import load_network
from pipeline.configuration.reading import parse_configuration
from pipeline.dataset.images import Images
from pipeline.dataset.own_texts import read_own_texts
from pipeline.dataset.stimulus_readers import read_stimuli, stimulus_hashes
from pipeline.errors import InputError
from pipeline.jobs.job_settings import job_settings
from pipeline.report.methods import methods_paragraphs
from pipeline.stages import check_inputs, extract_features

NSD_ID = np.array([2, 5, 7])
ROWS = [(7, 'a "red" bus'), (2, "two dogs"), (5, "a cup"), (2, "dogs on grass"), (9, "unused")]


class Captioned(Images):
    """Images with three captions each."""

    def seen(self, subject):
        return NSD_ID

    def texts(self, nsd_id, kind):
        return [[f"caption {number} of {image}" for number in range(3)] for image in nsd_id]


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "mine.tsv"
    path.write_text("nsd_id\tcaption\n" + "".join(f"{i}\t{text}\n" for i, text in ROWS))
    return path


def test_texts_are_those_of_the_images_in_the_tables_order(table):
    expected = [["two dogs", "dogs on grass"], ["a cup"], ['a "red" bus']]
    assert read_own_texts(table, NSD_ID) == expected
    batches = read_stimuli(Captioned(), NSD_ID, "captions", 2, table)
    assert [text for batch in batches for text in batch] == expected


def test_the_first_caption_is_the_first_of_all():
    (batch,) = read_stimuli(Captioned(), NSD_ID, "first_caption", 9)
    assert batch == [[f"caption 0 of {image}"] for image in NSD_ID]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("nsd_id\tcaption", "image\tcaption", "lacks the column nsd_id"),
        ("5\ta cup", "5\t ", "the caption is empty in line 4"),
        ("5\ta cup", "5.5\ta cup", "nsd_id is not 0, 1, 2, … in line 4"),
        ("5\ta cup\n", "", "has no caption of 1 of the study's 3 images, first nsd_id 5. Add"),
    ],
)
def test_a_wrong_table_is_refused_with_its_place(table, old, new, message):
    table.write_text(table.read_text().replace(old, new))
    with pytest.raises(InputError, match=r"mine\.tsv") as refused:
        read_own_texts(table, NSD_ID)
    assert message in str(refused.value)


def test_numbers_that_count_from_1_are_recognised(table):
    pd.DataFrame({"nsd_id": NSD_ID + 1, "caption": "x"}).to_csv(table, sep="\t", index=False)
    with pytest.raises(InputError, match="seems to be counted from 1, as NSD's 73KID is"):
        read_own_texts(table, NSD_ID)


def test_a_missing_table_is_reported(tmp_path):
    with pytest.raises(InputError, match=r"none.tsv: not found. Correct `texts`."):
        read_own_texts(tmp_path / "none.tsv", NSD_ID)


def test_a_changed_text_changes_the_hash_of_its_image_alone(table):
    before = stimulus_hashes(Captioned(), NSD_ID, "captions", table)
    table.write_text(table.read_text().replace("a cup", "a mug"))
    after = stimulus_hashes(Captioned(), NSD_ID, "captions", table)
    assert (before != after).tolist() == [False, True, False]


# ---- a study


@pytest.fixture
def values(table):
    """The small study, whose text network reads a table, beside one that reads first captions."""
    made = bare(yaml.safe_load(TINY.read_text()))
    bert = made["networks"]["bert"]
    made["networks"] = {
        "mine": {**bert, "texts": str(table)},
        "first": {**bert, "stimulus": "first_caption"},
    }
    space = made["feature_spaces"]["bert"]
    made["feature_spaces"] = {name: {**space, "network": name} for name in made["networks"]}
    return {**made, "models": ["mine", "first"], "comparisons": {"both": ["mine", "first"]}}


def test_a_table_belongs_to_captions(values):
    values["networks"]["first"]["texts"] = "other.tsv"
    with pytest.raises(InputError, match="`texts` is read with `stimulus: captions` only"):
        parse_configuration(values)


def test_cocos_captions_are_needed_for_networks_that_read_them_alone(values):
    assert parse_configuration(values).annotations == ["captions"]
    values["models"], values["comparisons"] = ["mine"], {}
    study = parse_configuration(values)
    assert study.annotations == []
    assert study.stimuli == []


def test_an_edited_table_reruns_what_depends_on_it(values, table):
    study = parse_configuration(values)
    before = job_settings(study)
    table.write_text(table.read_text().replace("a cup", "a mug"))
    after = job_settings(study)
    differing = {key for key in before if before[key] != after[key]}
    assert differing == {"network_specification", "feature_specification", "own_texts"}
    for key in ("network_specification", "feature_specification"):
        assert {name for name in before[key] if before[key][name] != after[key][name]} == {"mine"}
    with pytest.raises(ValueError, match="was replaced since this run began"):
        extract_features._texts(before["network_specification"]["mine"])


def test_features_are_means_over_the_texts_of_the_table(values, table):
    """By a loop over the texts, one at a time."""
    study = parse_configuration(values)
    settings = job_settings(study)["network_specification"]["mine"]
    network = load_network(settings, "cpu")
    layer = Layer.parse("last_hidden_state:mean")
    (found,) = extract_features._features(network, Captioned(), NSD_ID, settings, [layer], 8)
    for row, texts in zip(found[layer], read_own_texts(table, NSD_ID), strict=True):
        alone = [network.run(network.preprocess([text]), [layer])[layer][0] for text in texts]
        np.testing.assert_allclose(row, np.mean(alone, axis=0), atol=1e-5)


def test_the_methods_say_which_texts_were_read(values):
    (reported,) = [t for t in methods_paragraphs(parse_configuration(values)) if "Features." in t]
    assert "mine.tsv" in reported
    assert "the first caption of an image" in reported


def test_a_table_without_every_image_is_refused_before_long_work(values, table, monkeypatch):
    monkeypatch.setattr(check_inputs, "open_images", lambda folder: Captioned())
    asked = {"nsd": None, "responses": {"subj01": {}}, "own_features": {}}
    own = {"mine": {"texts": str(table), "texts_sha256": ""}}
    check_inputs._check_what_users_bring(SimpleNamespace(**asked, own_texts=own))
    table.write_text(table.read_text().replace("2\t", "3\t"))
    with pytest.raises(InputError, match=r"networks.mine: .*mine.tsv: has no caption of 1 of"):
        check_inputs._check_what_users_bring(SimpleNamespace(**asked, own_texts=own))
