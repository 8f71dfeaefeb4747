"""What generated text says is what was run, for every configuration that ships."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import xarray as xr
import yaml
from conftest import ROOT, weights_of

from encoding.ridge import solver
from encoding.scaling import FeatureScaling
from encoding.similarity import agreement_interval, image_similarities
from pipeline.analyses.similarity.analysis import MEASURES
from pipeline.analyses.similarity.tables import SubjectSimilarities, agreement_table
from pipeline.configuration.reading import parse_configuration
from pipeline.fits import tested_voxels
from pipeline.report import methods
from pipeline.results.storage import Result
from pipeline.tables.regions import region_labels
from pipeline.validation.calibration import run_experiment
from pipeline.validation.experiments import Condition

SMALL = Condition(widths=(6, 5), n_train=60, n_test=60)


@pytest.fixture(params=["demo", "paper", "nsd"])
def study(request):
    return parse_configuration(yaml.safe_load((ROOT / f"config/{request.param}.yaml").read_text()))


@pytest.fixture
def ran(study, monkeypatch):
    """What an experiment gave to the functions that fits, intervals and tests are made by."""
    seen = SimpleNamespace(scalings=set(), levels=set(), fits=[], draws=None, bootstrap=False)
    scale, fit = FeatureScaling.fit.__func__, solver.stream_fits
    draw, interval = tested_voxels.draw_images, tested_voxels.interval
    bootstrap_p = tested_voxels.bootstrap_p

    def scaled(cls, training, scaling="zscore"):
        seen.scalings.add(scaling)
        return scale(cls, training, scaling)

    def fitted(problem):
        seen.fits.append(problem)
        return fit(problem)

    def drawn(n_images, n_draws, *arguments):
        seen.draws = n_draws
        return draw(n_images, n_draws, *arguments)

    def ends(samples, level, *arguments):
        seen.levels.add(level)
        return interval(samples, level, *arguments)

    def below_zero(samples):
        seen.bootstrap = True
        return bootstrap_p(samples)

    monkeypatch.setattr(FeatureScaling, "fit", classmethod(scaled))
    monkeypatch.setattr(solver, "stream_fits", fitted)
    monkeypatch.setattr(tested_voxels, "draw_images", drawn)
    monkeypatch.setattr(tested_voxels, "interval", ends)
    monkeypatch.setattr(tested_voxels, "bootstrap_p", below_zero)
    run_experiment(SMALL, 0, study.calibrated, with_oracle=False)
    return seen


def test_fits_and_tests_are_described_as_they_were_made(study, ran):
    paragraphs = {text.split(".")[0]: text for text in methods.methods_paragraphs(study)}
    (scaling,), (level,), (problem,) = ran.scalings, ran.levels, ran.fits
    alphas, candidates = problem.alphas, problem.candidates
    single = (candidates["A+B"] == 1).all()
    assert problem.inherit != single
    n_folds = len(np.unique(problem.folds))
    fits = [
        methods.SCALING[scaling],
        methods.PENALTY["single" if single else "banded"].split(" (")[0],
        f"one of {len(alphas)} penalties between {alphas.min():g} and {alphas.max():g}",
        f"by {n_folds}-fold cross-validation on training images",
    ]
    calibrated = methods.calibration_sentence(study)
    for words in fits:
        assert words in paragraphs["Encoding models"]
        assert words in calibrated
    weightings = re.findall(r"one of (\d+) band weightings", paragraphs["Encoding models"])
    assert weightings == ([] if single else [str(len(candidates["A+B"]))])
    tests = paragraphs["Significance"]
    for text in (tests, calibrated):
        assert f"Intervals ({level:.0%})" in text
        assert f"{ran.draws} bootstrap draws" in text
        assert ("draws at or below 0" in text) == ran.bootstrap
        assert methods._tests(study.significance) in text
    assert ("consecutive in image number" in paragraphs["Encoding models"]) == (
        study.splits.fold_order == "listed"
    )


def test_agreements_are_described_as_they_are_tested(study):
    provenance = [t for t in methods.methods_paragraphs(study) if t.startswith("Representational")]
    settings = study.representational_similarity
    if settings is None:
        assert not provenance
        return
    random = np.random.default_rng(0)
    patterns = random.normal(size=(40, 8))
    values = [
        image_similarities(patterns),
        image_similarities(patterns + 0.5 * random.normal(size=patterns.shape)),
    ]
    arrays = {
        "image": ("image", np.arange(40)),
        "space": ("space", ["a", "b"]),
        "similarity_in_space": (("space", "pair"), values),
        **region_labels([]),
        "similarity_in_region": (("region", "pair"), np.empty((0, len(values[0])))),
        "n_voxels": ("region", np.empty(0, int)),
    }
    of_a_file = {"simulated": True, "weights": weights_of("a", "b")}
    of_a_file["configuration"] = {"subject": "subj01", "spaces": ["a", "b"]}
    file = Result(Path("x.h5"), xr.Dataset(arrays), of_a_file)
    one = SubjectSimilarities.of(file, None)
    level = study.significance.level
    (row,) = agreement_table(one, {}, settings.model_dump(), level).itertuples()
    (text,) = provenance
    assert row.p == row.q == pytest.approx(1 / (settings.permutations + 1))
    assert f"compared by {MEASURES[row.measure]}" in text
    assert f"tested by {settings.permutations} permutations" in text
    ends = agreement_interval(*values, row.measure, level)
    assert (row.agreement_lower, row.agreement_upper) == ends
    assert f"interval ({level:.0%})" in text
    several = len(study.subjects) > 1 and settings.images == "common"
    assert ("Bounds of the agreement" in text) == several


def test_variants_are_described_by_what_differs(study):
    reported = [t for t in methods.methods_paragraphs(study) if t.startswith("Variants.")]
    assert bool(reported) == bool(study.variants)
    for name, variant in study.variants.items():
        own, whole = study.encoding_of(name), study.encoding
        assert f"{name}: " in reported[0]
        for key in ("penalty", "scaling"):
            differs = getattr(own, key) != getattr(whole, key)
            words = reported[0].split(f"{name}: ")[1].split(";")[0]
            assert (methods.OWN[getattr(own, key)] in words) == differs
        if variant.subset is not None:
            assert variant.subset.category in reported[0]


def test_components_are_not_said_to_be_the_papers(study):
    reported = [t for t in methods.methods_paragraphs(study) if t.startswith("Components.")]
    assert len(reported) == (study.interpretation is not None)
    for text in reported:
        assert f"{study.interpretation.voxels_per_subject} most reliable voxels" in text
        assert "Wang et al. 2023 used 20,000 voxels per subject" in text


def test_weights_are_reported_as_they_were_loaded_never_as_they_were_asked_for(study):
    provenance = {space: f"pretrained ({space}.pt, sha256 0123)" for space in study.used_spaces}
    (text,) = [
        t for t in methods.methods_paragraphs(study, provenance) if t.startswith("Features.")
    ]
    assert all(label in text for label in provenance.values())
    (text,) = [t for t in methods.methods_paragraphs(study) if t.startswith("Features.")]
    assert "weights" not in text


@pytest.mark.parametrize("exact", [0, 30, 100])
def test_the_search_is_described_as_it_went(exact):
    counts = pd.DataFrame({"n_searched_exactly": [exact, 0], "n_voxels": [70, 30]})
    counts.loc[:, "n_searched_exactly"] = [min(exact, 70), max(exact - 70, 0)]
    reported = methods.search_sentence(counts)
    assert ("in every voxel" in reported) == (exact == 100)
    assert (
        (f"In {exact} of 100 fits" in reported)
        == ("Golub et al. 1979" in reported)
        == (exact < 100)
    )
