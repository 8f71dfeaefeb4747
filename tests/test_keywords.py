"""Words of captions that go with the responses of regions."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from encoding.label_associations import label_associations
from pipeline.analyses.keywords.associate_words import words_of_images


@pytest.mark.parametrize("digits", [8, 0])
def test_associations_are_scipys_with_and_without_ties(digits):
    generator = np.random.default_rng(0)
    labels = generator.random((60, 4)) < [0.1, 0.3, 0.5, 0.9]
    responses = np.round(generator.normal(size=(60, 3)), digits)
    responses[labels[:, 1], 2] += 2
    found = label_associations(labels, responses)
    for label, response in np.ndindex(4, 3):
        inside = labels[:, label]
        samples = responses[inside, response], responses[~inside, response]
        expected = mannwhitneyu(*samples, method="asymptotic", use_continuity=False)
        pairs = inside.sum() * (~inside).sum()
        assert found.auc[label, response] == pytest.approx(expected.statistic / pairs)
        assert found.p[label, response] == pytest.approx(expected.pvalue, rel=1e-6)
    assert found.auc[1, 2] > 0.8


def test_words_that_go_with_nothing_are_significant_as_often_as_the_level_says():
    generator = np.random.default_rng(1)
    labels = generator.random((300, 400)) < 0.1
    p = label_associations(labels, generator.standard_exponential((300, 20))).p
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.01)
    assert (p < 0.01).mean() == pytest.approx(0.01, abs=0.004)


@pytest.mark.parametrize(
    ("labels", "responses", "message"),
    [
        ([[1], [1]], [[0.0], [1.0]], "some, but not of all"),
        ([[1], [0]], [[1.0], [1.0]], "same to all images"),
    ],
)
def test_nothing_to_compare_is_an_error(labels, responses, message):
    with pytest.raises(ValueError, match=message):
        label_associations(np.array(labels), np.array(responses))


def test_words_are_those_of_any_caption_without_stop_words_and_rare_ones():
    texts = [["A dog on the grass.", "The DOG sleeps"], ["Two cats"], ["dog and cats", "grass"]]
    words, shown = words_of_images(texts, min_images=2)
    assert words == ["cats", "dog", "grass"]
    np.testing.assert_array_equal(shown, [[0, 1, 1], [1, 0, 0], [1, 1, 1]])
    # a word of all images tells nothing
    words, _ = words_of_images([["dog cat"], ["dog"], ["dog cat"]], min_images=1)
    assert words == ["cat"]
