"""A set of feature spaces is fitted once; comparisons refer to the fits of their subsets."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
import yaml
from conftest import TINY, Study, bare

from benchmarks.demo_numbers import with_present_names
from encoding.inference.bootstrap import bootstrap_p, bootstrap_scores, interval
from encoding.inference.significance import component_p, correlation_p
from encoding.variance_partitioning import model_name, partition_variance, subsets
from pipeline.analyses.weight_components.analysis import interpreted
from pipeline.configuration.reading import parse_configuration
from pipeline.configuration.study import Configuration
from pipeline.errors import InputError
from pipeline.fits.tested_voxels import VoxelTests

PAIR, TRIPLE = ["alexnet", "bert"], ["bert", "alexnet", "alexnet_conv3"]


def values_of(comparisons: dict[str, list[str]], **changes: object) -> dict[str, object]:
    values = yaml.safe_load(TINY.read_text())
    return {**bare(values), "models": ["alexnet"], "comparisons": comparisons, **changes}


def study_of(comparisons: dict[str, list[str]], **changes: object) -> Configuration:
    return parse_configuration(values_of(comparisons, **changes))


def test_two_comparisons_that_share_a_space_fit_it_once(tmp_path):
    comparisons = {"first": PAIR, "second": ["alexnet", "alexnet_conv3"]}
    study = Study(tmp_path, tmp_path / "two.yaml")
    study.configuration.write_text(yaml.safe_dump(values_of(comparisons)))
    said = study.snakemake("--dry-run", "significance", "partitions").stdout
    fits = re.findall(r"rule fit_encoding_models:\n(?:    .*\n)*?    output: (\S+)\n", said)
    models = ["alexnet", "bert", "alexnet_conv3", "alexnet+bert", "alexnet+alexnet_conv3"]
    expected = {
        f"results/tiny/encoding/{subject}/all/{model}.h5"
        for subject in ("subj01", "subj03")
        for model in models
    }
    assert set(fits) == expected
    assert len(fits) == len(expected)
    for rule, number in {"assess_significance": 10, "assess_components": 4}.items():
        assert len(re.findall(rf"^rule {rule}:", said, re.MULTILINE)) == number


def test_predictions_are_read_before_others_are_made_one_subject_after_another(tmp_path):
    study = Study(tmp_path, tmp_path / "one.yaml")
    study.configuration.write_text(yaml.safe_dump(values_of({"pair": PAIR})))
    said = study.snakemake("--dry-run", "significance").stdout
    jobs = re.findall(r"rule (\w+):\n((?:    .*\n)*)", said)
    priorities: dict[tuple[str, str], list[int]] = {}
    for rule, text in jobs:
        subject, priority = (re.search(p, text) for p in (r"subject=(\w+)", r"priority: (\d+)"))
        if subject and priority:
            priorities.setdefault((rule, subject[1]), []).append(int(priority[1]))
    made = ("fit_encoding_models", "predict_test_images")
    first, second = (
        [sorted(priorities[rule, subject]) for rule in made] for subject in ("subj01", "subj03")
    )
    # three models one after another, and all of a subject before the next
    assert first[0] == first[1] == [*range(first[0][0], first[0][0] + 3)]
    assert second[0] == second[1] == [*range(second[0][0], second[0][0] + 3)]
    assert first[0][0] > second[0][-1]
    for rule in ("assess_significance", "assess_components"):
        for subject in ("subj01", "subj03"):
            assert min(priorities[rule, subject]) > first[0][-1]


def test_sets_have_the_order_of_the_first_comparison_that_holds_them():
    study = study_of({"pair": PAIR, "triple": TRIPLE})
    assert study.fits() == {
        "alexnet": ["alexnet"],
        "bert": ["bert"],
        "alexnet_conv3": ["alexnet_conv3"],
        "alexnet+bert": PAIR,
        "bert+alexnet_conv3": ["bert", "alexnet_conv3"],
        "alexnet+alexnet_conv3": ["alexnet", "alexnet_conv3"],
        "bert+alexnet+alexnet_conv3": TRIPLE,
    }
    # in the order of the comparison's own subsets, whatever the models are called
    assert study.models_of("triple") == [
        *("bert", "alexnet", "alexnet_conv3"),
        *("alexnet+bert", "bert+alexnet_conv3", "alexnet+alexnet_conv3"),
        "bert+alexnet+alexnet_conv3",
    ]


def test_a_model_takes_over_from_those_of_a_space_less_if_it_has_candidates_of_its_own():
    comparisons = {"pair": PAIR, "triple": TRIPLE}
    study = study_of(comparisons)
    assert study.smaller_models("all", ["bert"]) == []
    assert study.smaller_models("all", PAIR) == ["alexnet", "bert"]
    assert study.smaller_models("all", TRIPLE) == study.models_of("triple")[3:6]
    encoding = study.encoding.model_dump()
    himalaya = {"solver": "himalaya", "search": "exact"}
    for changes in ({"penalty": "single"}, himalaya):
        other = study_of(comparisons, encoding={**encoding, **changes})
        assert other.smaller_models("all", TRIPLE) == []


def test_single_models_are_stacked_in_the_fit_of_a_whole_comparison():
    study = study_of({"pair": PAIR, "triple": TRIPLE})
    stacked = {"alexnet+bert", "bert+alexnet+alexnet_conv3"}
    assert {model for model, is_so in study.stacked("all").items() if is_so} == stacked
    none = study_of({"pair": PAIR}, encoding={**study.encoding.model_dump(), "stacking": False})
    assert not any(none.stacked("all").values())


def test_a_comparisons_joint_model_is_interpreted_by_its_name():
    comparisons = {"pair": ["bert", "alexnet"]}
    for name, spaces in {"pair": ["bert", "alexnet"], "alexnet": ["alexnet"]}.items():
        study = study_of(comparisons, interpretation={"model": name})
        assert interpreted(study) == spaces
    with pytest.raises(InputError, match=r"interpretation\.model: unknown name 'pear'"):
        study_of(comparisons, interpretation={"model": "pear"})


@pytest.mark.parametrize("blocks", [None, np.arange(60) // 3], ids=["images", "clusters"])
@pytest.mark.parametrize("test", ["permutation", "bootstrap"])
def test_intervals_and_tests_are_those_of_all_models_of_a_comparison_together(test, blocks):
    """As one job for each comparison had them, from the same draws."""
    random = np.random.default_rng(0)
    measured = random.standard_normal((60, 8)).astype(np.float32)
    spaces = ["A", "B", "C"]
    models = [model_name(subset) for subset in subsets(spaces)]
    predicted = {
        model: (0.4 * measured + random.standard_normal(measured.shape)).astype(np.float32)
        for model in models
    }
    settings = {"test": test, "draws": 200, "level": 0.9, "seed": 5}
    tests = VoxelTests.of(settings, len(measured), blocks)
    draws = bootstrap_scores(measured, predicted, tests.counts)
    n_drawn = 60 if blocks is None else 20
    found = tests.of_components(measured, predicted, spaces)
    of_components = component_p(measured, predicted, spaces, blocks)
    for row, (name, values) in enumerate(partition_variance(draws.r2, spaces).items()):
        p = bootstrap_p(values) if test == "bootstrap" else of_components[name]
        np.testing.assert_array_equal(found["p"][row], p)
        ends = (found[f"variance_{end}"][row] for end in ("lower", "upper"))
        np.testing.assert_array_equal(list(ends), interval(values, 0.9, n_drawn))
    of_models = correlation_p(measured, predicted, blocks)
    for model in models:
        of_model = tests.of_model(measured, predicted[model])
        p = bootstrap_p(draws.r2[model]) if test == "bootstrap" else of_models[model]
        np.testing.assert_array_equal(of_model["p"], p)
        for score, values in {"r": draws.r[model], "r2": draws.r2[model]}.items():
            ends = [of_model[f"{score}_{end}"] for end in ("lower", "upper")]
            # of a model alone, R² is not the difference from another's
            np.testing.assert_allclose(ends, interval(values, 0.9, n_drawn), atol=1e-6)


def test_numbers_of_results_before_are_compared_by_the_names_of_now():
    """CHANGELOG.md has the names; what a comparison's models shared is with its joint model."""
    before = {
        ("encoding/s/all/A.h5", "A/r2"): ("encoding/s/all/A.h5", "r2"),
        ("encoding/s/all/A.h5", "searched_exactly"): ("encoding/s/all/A.h5", "searched_exactly"),
        ("encoding/s/all/x.h5", "A/band_weights[0]"): ("encoding/s/all/A.h5", "band_weights[A]"),
        ("encoding/s/all/x.h5", "A+B/product/A"): ("encoding/s/all/A+B.h5", "product_measure[A]"),
        ("encoding/s/all/x.h5", "stacked/r"): ("encoding/s/all/A+B.h5", "stacked_r"),
        ("encoding/s/all/x.h5", "reliability"): ("encoding/s/all/A+B.h5", "reliability"),
        ("encoding/s/all/x.h5", "searched_exactly"): None,
        ("significance/s/all/x.h5", "A+B/r2_lower"): ("significance/s/all/A+B.h5", "r2_lower"),
        **{
            (f"{kind}/s/all/x.h5", before): (f"{kind}/s/all/x.h5", now)
            for kind, before, now in (
                ("significance", "component/A&B/p", "p[A&B]"),
                ("partitions", "component/A&B", "variance[A&B]"),
                ("partitions", "product/A", "product_measure[A]"),
                ("partitions", "r2/A+B", "r2[A+B]"),
                ("partitions", "r2/stacked", "stacked_r2"),
            )
        },
    }
    table = pd.DataFrame(list(before), columns=["file", "array"])
    renamed = [tuple(row) for row in with_present_names(table).to_numpy()]
    assert renamed == [now for now in before.values() if now is not None]
    again = with_present_names(pd.DataFrame(renamed, columns=["file", "array"]))
    assert [tuple(row) for row in again.to_numpy()] == renamed
