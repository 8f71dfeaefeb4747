"""Subjects in whom a region is significant are counted."""

from __future__ import annotations

import pandas as pd
import pytest
import yaml
from conftest import TINY

from pipeline.analyses.replication.tables import replication_table
from pipeline.configuration.reading import parse_configuration
from pipeline.errors import InputError


def interval(subject, roi, mean, q):
    return {
        **{"subject": subject, "score_kind": "difference of models", "comparison": "none"},
        **{"score": "clip minus bert", "atlas": "composite", "roi": roi, "region_mean": mean},
        **{"q_region": q, "weights": "pretrained", "data": "measured"},
    }


def test_subjects_are_counted_by_sign_of_those_who_have_the_region():
    table = replication_table(
        pd.DataFrame(
            [
                interval("subj01", "faces", 0.2, 0.01),
                interval("subj02", "faces", 0.1, 0.04),
                interval("subj03", "faces", -0.3, 0.001),
                interval("subj04", "faces", 0.4, 0.06),
                interval("subj02", "words", 0.1, float("nan")),
            ]
        )
    ).set_index("roi")
    assert table.loc["faces", ["n_subjects", "n_replicated", "n_reversed"]].tolist() == [4, 2, 1]
    assert table.loc["faces", "replicated_in"] == "subj01, subj02"
    assert table.loc["faces", "mean_of_subjects"] == pytest.approx(0.1)
    assert table.loc["words", ["n_subjects", "n_replicated"]].tolist() == [1, 0]
    assert table.loc["words", "replicated_in"] == "none"


def test_what_it_counts_must_be_switched_on():
    values = yaml.safe_load(TINY.read_text())
    values.pop("roi_intervals", None)
    with pytest.raises(InputError, match="tests of `roi_intervals`, which the configuration lacks"):
        parse_configuration({**values, "replication": {}})
