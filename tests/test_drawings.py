"""Drawn scenes: objects in their boxes, and recognisable to a network that knows photographs."""

import numpy as np
import pytest

from benchmarks.drawn_categories import EMBEDDING, NETWORK, WEIGHTS, decoded, pictures
from features.networks import load_network
from pipeline.simulation.drawings import DRAWINGS, draw_object
from pipeline.simulation.scenes import PLACES, SIZE, draw_picture


def test_the_same_seed_draws_the_same_scene():
    one, two, other = (
        draw_picture("meadow", ["dog", "kite"], 0.8, np.random.default_rng(seed))
        for seed in (0, 0, 1)
    )
    assert np.array_equal(one[0], two[0])
    assert one[1] == two[1]
    assert not np.array_equal(one[0], other[0])


@pytest.mark.parametrize("category", DRAWINGS)
def test_an_object_fills_its_box(category):
    height = 150
    drawn = draw_object(category, height, np.random.default_rng(0))
    assert drawn.size == (round(height * DRAWINGS[category].ratio), height)
    left, top, right, bottom = drawn.getchannel("A").getbbox()
    assert right - left > 0.75 * drawn.width
    assert bottom - top > 0.7 * height


@pytest.mark.parametrize("place", PLACES)
def test_every_object_has_a_box_inside_the_picture(place):
    names = list(PLACES[place][2])[:3]
    image, objects = draw_picture(place, names, 1.0, np.random.default_rng(4))
    assert image.shape == (SIZE, SIZE, 3)
    assert [name for name, _ in objects] == names
    for _, (x, y, width, height) in objects:
        assert x >= 0
        assert y >= 0
        assert x + width <= SIZE
        assert y + height <= SIZE


@pytest.mark.networks
def test_a_trained_network_tells_the_categories_apart_and_an_untrained_one_does_not():
    images, categories = pictures(5)
    found = {}
    for state, weights in WEIGHTS.items():
        network = load_network({**NETWORK, **weights}, "cpu")
        features = [
            network.run(network.preprocess(images[i : i + 10]), [EMBEDDING])[EMBEDDING]
            for i in range(0, len(images), 10)
        ]
        found[state] = decoded(np.concatenate(features), categories)
    # chance is 0.06
    assert found["pretrained"] > 0.85
    assert found["untrained"] < 0.3
