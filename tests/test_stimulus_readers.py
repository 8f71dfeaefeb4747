"""What networks are shown: images, captions, labels said as text, indicators."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from pipeline.dataset.images import open_images
from pipeline.dataset.stimulus_readers import TEXTS, VECTORS, read_stimuli
from pipeline.nsd.coco import read_captions
from pipeline.nsd.instances import read_instances
from pipeline.nsd.object_texts import all_objects, objects_in_captions, top_object

INSTANCES = pd.DataFrame(
    [
        (3, "dog", 50.0),
        (3, "person", 80.0),
        (3, "dog", 40.0),
        (5, "wine glass", 10.0),
        (5, "car", 10.0),
    ],
    columns=["nsd_id", "category", "visible_area"],
)
IMAGES = np.array([3, 4, 5])


def test_all_objects_are_named_once_the_largest_first():
    """Two dogs cover more than the person; equal areas go by the alphabet."""
    said = all_objects(INSTANCES, IMAGES)
    assert said == [["a photo of dog, person"], ["a photo"], ["a photo of car, wine glass"]]


def test_the_top_object_is_the_category_that_covers_most():
    said = top_object(INSTANCES, IMAGES)
    assert said == [["a photo of dog"], ["a photo"], ["a photo of car"]]


@pytest.mark.parametrize(
    ("captions", "said"),
    [
        (["A woman walks."], "a photo of person"),
        (["Two dogs play."], "a photo of dog"),
        (["A DOG", "with a man"], "a photo of dog, person"),
        (["A hotdog in a mangrove"], "a photo"),
    ],
)
def test_objects_in_captions_are_those_that_the_captions_mention(captions, said):
    assert objects_in_captions(INSTANCES, np.array([3]), [captions]) == [[said]]


@pytest.fixture(scope="module")
def images(study):
    return open_images(study.nsd)


NSD_ID = np.array([2, 3, 5, 8, 13, 21, 34])


def stimuli(images, kind, batch_size):
    return list(read_stimuli(images, NSD_ID, kind, batch_size))


@pytest.mark.parametrize("kind", ["image", *TEXTS, *VECTORS])
def test_batches_hold_every_image_in_order_whatever_their_size(images, kind):
    small, whole = stimuli(images, kind, 3), stimuli(images, kind, 100)
    assert [len(batch) for batch in small] == [3, 3, 1]
    assert len(whole) == 1
    together = [stimulus for batch in small for stimulus in batch]
    assert all(np.array_equal(a, b) for a, b in zip(together, whole[0], strict=True))


def test_indicators_say_which_categories_are_visible(images):
    (rows,) = stimuli(images, "categories", 100)
    (groups,) = stimuli(images, "supercategories", 100)
    assert rows.shape == (7, 80)
    assert groups.shape == (7, 12)
    instances = read_instances(images.layout, NSD_ID)
    for row, group, image in zip(rows, groups, NSD_ID, strict=True):
        own = instances[instances["nsd_id"] == image]
        assert row.sum() == own["category"].nunique()
        assert group.sum() == own["supercategory"].nunique()


def test_labels_are_a_text_each_and_captions_several(images):
    (captions,) = stimuli(images, "captions", 100)
    assert captions == read_captions(images.layout, NSD_ID)
    for kind in set(TEXTS) - {"captions"}:
        assert all(len(texts) == 1 for texts in stimuli(images, kind, 100)[0])
