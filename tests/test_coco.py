"""COCO's captions and objects: what is said of an image, and what its crop left visible."""

from __future__ import annotations

import ast
import json

import numpy as np
import pandas as pd
import pytest
from conftest import damaged_copy, rewrite
from hypothesis import example, given
from hypothesis import strategies as st
from pycocotools import mask as coco_masks

from pipeline.nsd.clipping import clip_mask, clip_polygons
from pipeline.nsd.coco import read_captions
from pipeline.nsd.instances import label_matrix, read_categories, read_instances
from pipeline.nsd.layout import NSDLayout

WIDTH, HEIGHT = 40, 30
sizes = st.integers(1, 12)
corners = st.tuples(st.integers(0, WIDTH - 13), st.integers(0, HEIGHT - 13))


@pytest.fixture(scope="module")
def instances(layout, image_table):
    return read_instances(layout, image_table.index.to_numpy())


def annotations(layout, kind="instances"):
    files = (layout.annotations(kind, split) for split in ("train2017", "val2017"))
    return [json.loads(path.read_text()) for path in files]


def rectangle(x, y, width, height):
    return [x, y, x + width, y, x + width, y + height, x, y + height]


def mask_of(x, y, width, height):
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[y : y + height, x : x + width] = 1
    return mask


def runs(mask):
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return {"counts": counts if flat[0] == 0 else [0, *counts], "size": list(mask.shape)}


# ---- clipping


@given(corners, sizes, sizes, corners, sizes, sizes)
def test_a_rectangle_as_polygon_and_as_mask_is_clipped_alike_and_exactly(a, w, h, b, cw, ch):
    # crops end in the middle of pixels
    crop = (b[0] + 0.5, b[1] + 0.5, b[0] + 0.5 + cw, b[1] + 0.5 + ch)
    polygon = clip_polygons([[rectangle(*a, w, h)]], [crop])[0]
    mask = clip_mask(runs(mask_of(*a, w, h)), crop)
    across = min(a[0] + w, crop[2]) - max(a[0], crop[0])
    down = min(a[1] + h, crop[3]) - max(a[1], crop[1])
    expected = max(across, 0) * max(down, 0)
    assert polygon[:2] == pytest.approx([w * h, expected])
    assert mask[:2] == pytest.approx([w * h, expected])
    if expected:
        bounds = [max(a[0], crop[0]), max(a[1], crop[1])]
        bounds += [min(a[0] + w, crop[2]), min(a[1] + h, crop[3])]
        assert polygon[2:] == pytest.approx(bounds)
        assert mask[2:] == pytest.approx(bounds)


# crossings within rounding errors of a coordinate
@example([(0, 4e-46), (1, 7), (0, 0), (0, 7), (6, 3)], 4)
@example([(0, 4e-46), (3, 9), (0, 0), (0, 13), (3, 1), (8, 0)], 1)
@given(st.lists(st.tuples(st.floats(0, 40), st.floats(0, 30)), min_size=3, max_size=8), sizes)
def test_a_larger_crop_shows_no_less(points, margin):
    outline = [[value for point in points for value in point]]
    crops = [(10, 10, 20, 20), (10 - margin, 10 - margin, 20 + margin, 20 + margin)]
    small, large = clip_polygons([outline, outline], crops)
    assert small[0] == pytest.approx(large[0])
    assert -1e-9 <= small[1] <= large[1] + 1e-9 <= large[0] + 2e-9


def test_overlapping_parts_count_once_and_crossed_outlines_count():
    parts = [rectangle(0, 0, 4, 4), rectangle(2, 0, 4, 4)]
    bow = [0, 0, 4, 4, 4, 0, 0, 4]
    everything = (0, 0, 40, 30)
    areas = clip_polygons([parts, [bow], [[1, 1, 2, 2]]], [everything] * 3)[:, :2]
    assert areas.tolist() == [[24, 24], [8, 8], [0, 0]]


@given(st.lists(st.integers(0, 1), min_size=WIDTH * HEIGHT, max_size=WIDTH * HEIGHT))
def test_run_lengths_as_numbers_and_as_text_are_those_of_pycocotools(pixels):
    mask = np.array(pixels, np.uint8).reshape(HEIGHT, WIDTH)
    text = coco_masks.encode(np.asfortranarray(mask))
    written = {"size": text["size"], "counts": text["counts"].decode()}
    crop = (3.25, 2, 33.25, 27)
    ours = clip_mask(written, crop)
    assert np.allclose(ours, clip_mask(runs(mask), crop), equal_nan=True)
    weights = np.ones(WIDTH)
    weights[:3], weights[3], weights[33], weights[34:] = 0, 0.75, 0.25, 0
    assert ours[:2] == pytest.approx([mask.sum(), (mask[2:27] * weights).sum()])


# ---- instances


def test_visible_areas_and_boxes_are_those_of_pycocotools_masks(layout, image_table, instances):
    """Up to a pixel along the outline: pycocotools draws outlines on whole pixels."""
    crops = image_table.set_index("cocoId")["cropBox"].map(ast.literal_eval)
    found = instances.set_index(["nsd_id", "annotation_id"])
    ids = pd.Series(image_table.index, index=image_table["cocoId"])
    n_checked = n_hidden = 0
    for content in annotations(layout):
        images = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for annotation in content["annotations"][::7]:
            width, height = images[annotation["image_id"]]
            top, bottom, left, right = crops[annotation["image_id"]]
            drawn = coco_masks.frPyObjects(annotation["segmentation"], height, width)
            mask = coco_masks.decode(drawn)
            mask = mask.max(axis=2) if mask.ndim == 3 else mask
            x1, x2 = round(left * width), round((1 - right) * width)
            y1, y2 = round(top * height), round((1 - bottom) * height)
            crop = mask[y1:y2, x1:x2]
            scale = 425 / ((1 - left - right) * width)
            key = ids[annotation["image_id"]], annotation["id"]
            y, x = np.nonzero(crop)
            if key not in found.index:
                assert len(x) <= 2 * crop.shape[0]
                n_hidden += 1
                continue
            row = found.loc[key]
            box = scale * np.array([x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1])
            assert np.allclose(
                row[["x", "y", "width", "height"]].astype(float), box, atol=2.5 * scale
            )
            outline = 2 * (box[2] + box[3]) * scale
            assert row["visible_area"] == pytest.approx(crop.sum() * scale**2, abs=outline)
            n_checked += 1
    assert n_checked > 50
    assert n_hidden > 5


def test_objects_that_were_drawn_lie_where_the_picture_shows_them(instances):
    drawn = instances[~instances["crowd"] & (instances["category"] != "bench")]
    assert len(drawn) > 200
    assert drawn["visible_share"].to_numpy() == pytest.approx(1)
    for low, size in (("x", "width"), ("y", "height")):
        assert drawn[low].min() > -1e-6
        assert (drawn[low] + drawn[size]).max() < 425 + 1e-6


def test_the_crop_hides_some_objects_and_cuts_others(layout, image_table, instances):
    all_benches = [
        annotation
        for content in annotations(layout)
        for annotation in content["annotations"]
        if annotation["category_id"] == 15
    ]
    benches = instances[instances["category"] == "bench"]
    assert 0 < len(benches) < len(all_benches)
    assert benches["visible_share"].between(0.01, 0.99).all()
    assert instances.loc[instances["crowd"], "visible_share"].between(0, 1).all()
    # 640 × 427 is cut by half a pixel at each side
    halves = image_table["cropBox"].map(lambda text: ast.literal_eval(text)[2] * 640 % 1 == 0.5)
    assert halves.any()


def test_the_area_and_box_in_the_file_are_those_of_the_whole_segmentation(layout):
    for content in annotations(layout):
        images = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
        for annotation in content["annotations"][::11]:
            width, height = images[annotation["image_id"]]
            whole = (0, 0, width, height)
            if annotation["iscrowd"]:
                row = clip_mask(annotation["segmentation"], whole)
            else:
                row = clip_polygons([annotation["segmentation"]], [whole])[0]
            left, top, across, down = annotation["bbox"]
            assert row[1] == pytest.approx(annotation["area"])
            assert row[2:] == pytest.approx([left, top, left + across, top + down])


# ---- labels


def test_eighty_categories_in_twelve_supercategories_are_read_from_the_file(layout):
    categories = read_categories(layout)
    assert len(categories) == 80
    assert categories["supercategory"].nunique() == 12
    assert categories["category_id"].max() == 90


def test_label_matrices_say_what_each_image_shows(layout, image_table, instances):
    categories, ids = read_categories(layout), image_table.index.to_numpy()
    names = categories["category"].tolist()
    groups = categories["supercategory"].unique().tolist()
    matrix = label_matrix(instances, ids, names)
    grouped = label_matrix(instances, ids, groups, "supercategory")
    assert (matrix.shape, grouped.shape) == ((len(ids), 80), (len(ids), 12))
    # a supercategory is there where one of its categories is
    for column, group in enumerate(groups):
        members = (categories["supercategory"] == group).to_numpy()
        assert np.array_equal(grouped[:, column], matrix[:, members].max(axis=1))
    # an image without instances is a row of zeros
    empty = ~np.isin(ids, instances["nsd_id"])
    assert empty.any()
    assert not matrix[empty].any()
    assert matrix[~empty].any(axis=1).all()


def test_small_parts_and_crowds_count_by_choice(instances):
    ids = instances["nsd_id"].unique()
    persons = label_matrix(instances, ids, ["person"])
    alone = label_matrix(instances, ids, ["person"], crowds=False)
    assert alone.sum() < persons.sum()
    few = label_matrix(instances, ids, ["bench"], smallest_area=1e5)
    assert few.sum() < label_matrix(instances, ids, ["bench"]).sum()


def test_images_are_asked_for_in_any_number_and_order(layout, instances):
    some = np.array([40, 3, 17])
    own = read_instances(layout, some)
    expected = instances[instances["nsd_id"].isin(some)].reset_index(drop=True)
    pd.testing.assert_frame_equal(own, expected)


def test_two_annotators_may_write_the_same_caption(layout, image_table, tmp_path):
    tree = damaged_copy(layout.root, tmp_path)
    damaged = NSDLayout(tree)
    image = image_table.index[image_table["cocoSplit"] == "train2017"][0]
    path = damaged.annotations("captions", "train2017")
    content = json.loads(path.read_text())
    own = [a for a in content["annotations"] if a["image_id"] == image_table.loc[image, "cocoId"]]
    content["annotations"].append({**own[0], "id": len(content["annotations"]) + 1})
    rewrite(path, json.dumps(content))
    (texts,) = read_captions(damaged, np.array([image]))
    assert texts.count(texts[0]) == 2
