"""Predictions of test images are made in the order of the jobs that read them."""

from __future__ import annotations

import yaml
from conftest import TINY, bare

from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.fits.predictions_read import Prediction, in_order, jobs_that_read, largest_at_once


def study_of(**changes: object) -> Configuration:
    values = bare(yaml.safe_load(TINY.read_text()))
    return parse_configuration({**values, **changes})


def made_for_tests(*models: str) -> list[Prediction]:
    return [Prediction("significance", "all", model) for model in models]


CHAIN = {"first": ["alexnet", "bert"], "second": ["bert", "alexnet_conv3"]}


def test_models_of_a_comparison_follow_one_another_and_analyses_come_last():
    study = study_of(models=["alexnet"], comparisons=CHAIN, split_half={})
    made = made_for_tests("alexnet", "bert", "alexnet+bert", "alexnet_conv3", "bert+alexnet_conv3")
    assert in_order(study) == [*made, *(each._replace(reader="split_half") for each in made)]


def test_every_prediction_that_a_job_reads_is_made_before_it():
    study = study_of(models=["alexnet"], comparisons=CHAIN)
    read = [{each.model for each in job} for job in jobs_that_read(study)]
    assert read == [
        {"alexnet"},
        {"bert"},
        {"alexnet+bert"},
        {"alexnet", "bert", "alexnet+bert"},
        {"alexnet_conv3"},
        {"bert+alexnet_conv3"},
        {"bert", "alexnet_conv3", "bert+alexnet_conv3"},
    ]


def test_a_prediction_exists_from_its_first_reader_to_its_last():
    a, b, c, d = made_for_tests("a", "b", "c", "d")
    # after the second job a is deleted, after the third c
    jobs = [[a], [a, b], [c], [b, d]]
    sizes = {a: 1.0, b: 2.0, c: 3.0, d: 2.5}
    assert largest_at_once(jobs, sizes.__getitem__) == {b, c}
    assert largest_at_once(jobs, {**sizes, d: 4.0}.__getitem__) == {b, d}
    assert largest_at_once([], sizes.__getitem__) == set()


def test_models_without_a_comparison_exist_one_at_a_time():
    study = study_of(models=["alexnet", "bert", "alexnet_conv3"], comparisons={})
    assert len(largest_at_once([*jobs_that_read(study)], lambda _: 1.0)) == 1
