"""The simulated NSD is written as genuine files are; docs/simulation.md says as which."""

from __future__ import annotations

import ast
import json
import re

import nibabel
import numpy as np
import pandas as pd
import pytest
from conftest import damaged_copy, rewrite

from encoding.noise_ceiling import reliability
from pipeline.nsd.coco import read_captions
from pipeline.nsd.design import read_design
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.rois import read_colour_table
from pipeline.nsd.spaces import open_space
from pipeline.simulation.coco import _crop_box
from pipeline.simulation.design import ANSWERS, LOST

SUBJECT, BETAS = "subj01", "betas_fithrf_GLMdenoise_RR"
# as NSD writes what is cut off: whole numbers along the axis that stays whole
NUMBER = r"0\.\d+"
WRITTEN = re.compile(rf"\((0, 0|{NUMBER}, {NUMBER}|0, {NUMBER}), (0, 0|{NUMBER}, {NUMBER})\)")


def test_a_sixth_of_the_crops_is_off_centre_and_all_are_written_as_nsds(image_table):
    assert all(WRITTEN.fullmatch(text) for text in image_table["cropBox"])
    crops = image_table["cropBox"].map(ast.literal_eval)
    off = np.array([a != b or c != d for a, b, c, d in crops])
    cut = np.array([any(crop) for crop in crops])
    assert off[cut].mean() == pytest.approx(1 / 6, abs=0.05)
    # of each side
    sides = np.array([*crops[off]]) > 0
    assert sides.sum(axis=1).tolist() == [1] * off.sum()
    assert sides.any(axis=0).all()
    assert "(0, 0, 0.0, 0.0)" in set(image_table["cropBox"])


@pytest.mark.parametrize(
    ("width", "height", "row", "written"),
    [
        (480, 640, 5, "(0, 0.25, 0, 0)"),
        (480, 640, 11, "(0.25, 0.0, 0, 0)"),
        (640, 478, 5, "(0, 0, 0.0, 0.253125)"),
        (500, 500, 5, "(0, 0, 0.0, 0.0)"),
    ],
)
def test_crops_are_written_as_known_ones_of_nsd(width, height, row, written):
    assert str(_crop_box(width, height, row)) == written
    assert WRITTEN.fullmatch(written)


def test_the_answers_of_a_lost_run_are_missing_and_its_trials_are_there(layout):
    path = layout.behaviour(SUBJECT)
    trials = pd.read_csv(path, sep="\t")
    lost = (trials["SESSION"] == LOST[0]) & (trials["RUN"] == LOST[1])
    assert lost.sum() == 63
    assert np.array_equal(trials["MISSINGDATA"] == 1, lost)
    assert trials.loc[lost, [*ANSWERS]].isna().all(axis=None)
    for column in ("TOTAL1", "TOTAL2"):
        assert np.array_equal(trials[column].isna(), lost)
    assert trials.loc[~lost, "BUTTON"].isna().any()
    # whole numbers are written as such, although the column has a NaN
    columns = path.read_text().splitlines()[0].split("\t")
    total = [line.split("\t")[columns.index("TOTAL1")] for line in path.read_text().splitlines()]
    assert set(total[1:]) == {"0", "1", "NaN"}
    assert len(read_design(layout, SUBJECT).nsd_id) == len(trials)


def test_memory_counts_the_trials_between_two_showings(layout):
    trials = pd.read_csv(layout.behaviour(SUBJECT), sep="\t")
    number = pd.Series(np.arange(len(trials)))
    shown = number.groupby(trials["73KID"])
    for column, back in (("MEMORYRECENT", 1), ("MEMORYFIRST", 2)):
        between = number - shown.shift(back) - 1
        assert np.array_equal(trials[column], between, equal_nan=True)


def test_lines_of_colour_tables_end_with_a_tab_which_is_no_part_of_a_name(layout):
    path = layout.colour_table(SUBJECT, "prf-visualrois")
    assert path.read_text().splitlines()[1] == "1 V1v\t"
    assert read_colour_table(layout, SUBJECT, "prf-visualrois")[1] == "V1v"


def test_labels_of_surfaces_are_big_endian_floats_without_minus_one(layout):
    for owner in (SUBJECT, "fsaverage"):
        path = layout.surface_roi(owner, "HCP_MMP1", "lh")
        image = nibabel.load(path)
        assert image.get_data_dtype() == np.dtype(">f4")
        assert image.shape[1:] == (1, 1)
        labels = np.asanyarray(image.dataobj)
        assert labels.min() == 0
        assert labels.max() > 1


def test_some_voxels_have_a_ceiling_of_exactly_0(layout):
    for name in ("func1mm", "nativesurface"):
        ncsnr = open_space(layout, SUBJECT, name, BETAS).read_ncsnr()
        ceilings = reliability(ncsnr, np.full(10, 3))
        assert (ceilings == 0).any()
        assert np.array_equal(ceilings == 0, ncsnr == 0)
        assert np.array_equal(np.isnan(ceilings), np.isnan(ncsnr))


def test_a_seventh_of_the_captions_has_white_space_that_readers_tidy(layout, image_table):
    texts = [
        entry["caption"]
        for split in ("train2017", "val2017")
        for entry in json.loads(layout.annotations("captions", split).read_text())["annotations"]
    ]
    untidy = [text for text in texts if text != text.strip() or "\n" in text]
    assert len(untidy) / len(texts) == pytest.approx(1 / 7, abs=0.03)
    assert {text.replace(text.strip(), "") for text in untidy} >= {" ", "\n", "\n\n"}
    for captions in read_captions(layout, image_table.index.to_numpy()):
        assert all(text == " ".join(text.split()) for text in captions)


@pytest.mark.parametrize("number", [6, 7])
def test_images_may_have_more_captions_than_others(layout, image_table, number, tmp_path):
    image = image_table.index[image_table["cocoSplit"] == "val2017"][0]
    tree = NSDLayout(damaged_copy(layout.root, tmp_path))
    path = tree.annotations("captions", "val2017")
    content = json.loads(path.read_text())
    coco_id, last = (
        int(image_table.loc[image, "cocoId"]),
        max(a["id"] for a in content["annotations"]),
    )
    content["annotations"] += [
        {"image_id": coco_id, "id": last + n, "caption": f" one\nmore,  the {n}th. \n"}
        for n in range(1, number)
    ]
    rewrite(path, json.dumps(content))
    (captions,) = read_captions(tree, np.array([image]))
    assert len(captions) == number
    assert captions[1:] == [f"one more, the {n}th." for n in range(1, number)]


def test_shared_images_have_objects_and_some_other_image_has_none(layout, image_table):
    shown = set()
    for split in ("train2017", "val2017"):
        content = json.loads(layout.annotations("instances", split).read_text())
        shown |= {annotation["image_id"] for annotation in content["annotations"]}
    has = image_table["cocoId"].isin(shown)
    assert has[image_table["shared1000"]].all()
    assert (~has).sum() == 1
    assert set(image_table.loc[image_table["shared1000"], "cocoSplit"]) == {"train2017"}
