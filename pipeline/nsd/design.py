"""The experimental design: the image of each trial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.io

from pipeline.errors import InputError
from pipeline.nsd.files import HINT, require
from pipeline.nsd.layout import TRIALS_PER_SESSION, NSDLayout
from pipeline.reading import reading

RUNS_PER_SESSION = 12
TRIALS_OF_RUNS = (63, 62)
REPEATS = 3
MATLAB = b"MATLAB 5.0 MAT-file"
DESIGN_VARIABLES = ("masterordering", "subjectim", "sharedix")


@dataclass(frozen=True)
class Design:
    """Trials that a subject completed, from the first one, in the order of the beta files.

    Attributes
    ----------
    nsd_id : (trial,) int64, 0-based image
    session, run : (trial,) int64, 1-based
    shared : (image,) int64, sorted 0-based images that every subject was planned to see
    """

    subject: str
    nsd_id: np.ndarray
    session: np.ndarray
    run: np.ndarray
    shared: np.ndarray

    @property
    def n_sessions(self) -> int:
        """Number of sessions of these trials."""
        return len(self.nsd_id) // TRIALS_PER_SESSION

    @property
    def images(self) -> np.ndarray:
        """(image,) sorted nsd_id of the images seen."""
        return np.unique(self.nsd_id)

    def first(self, n_sessions: int | None) -> Design:
        """Return the trials of the first sessions; all without a number.

        Raises
        ------
        InputError
            The subject completed fewer.
        """
        if n_sessions is None:
            return self
        if n_sessions > self.n_sessions:
            raise InputError(
                f"responses.sessions: {n_sessions}, but {self.subject} completed "
                f"{self.n_sessions}. Lower it, or leave {self.subject} out."
            )
        trials = slice(n_sessions * TRIALS_PER_SESSION)
        return replace(
            self, nsd_id=self.nsd_id[trials], session=self.session[trials], run=self.run[trials]
        )

    def session_trials(self, session: int) -> slice:
        """Return the rows of one 1-based session."""
        return slice((session - 1) * TRIALS_PER_SESSION, session * TRIALS_PER_SESSION)


def read_design(layout: NSDLayout, subject: str) -> Design:
    """Read a subject's completed trials and check that three files agree about them.

    `nsd_expdesign.mat` plans 30,000 trials for every subject, `responses.tsv` has the completed
    trials, and the image table repeats the plan.

    Raises
    ------
    InputError
        A file is missing or damaged, or two contradict each other; the message names the first
        trial in which they differ.
    """
    ordering, images, shared = _read_experiment_design(layout, subject)
    behaviour = _read_behaviour(layout, subject)
    n_trials = len(behaviour)
    path = layout.behaviour(subject)
    if n_trials == 0 or n_trials % TRIALS_PER_SESSION or n_trials > len(ordering):
        raise InputError(
            f"{path}: {n_trials} trials; expected complete sessions of {TRIALS_PER_SESSION}, at "
            f"most {len(ordering)} trials. {HINT}"
        )
    image_of_trial = images[ordering[:n_trials] - 1]
    _agree(behaviour["10KID"].to_numpy(), ordering[:n_trials], path, "10KID", layout)
    _agree(behaviour["73KID"].to_numpy(), image_of_trial, path, "73KID", layout)
    _check_image_table(layout, subject, image_of_trial - 1, np.sort(shared - 1))
    trials = np.arange(n_trials)
    runs = np.repeat(np.arange(RUNS_PER_SESSION), np.resize(TRIALS_OF_RUNS, RUNS_PER_SESSION)) + 1
    session, run = trials // TRIALS_PER_SESSION + 1, runs[trials % TRIALS_PER_SESSION]
    _agree(behaviour["SESSION"].to_numpy(), session, path, "SESSION", layout)
    _agree(behaviour["RUN"].to_numpy(), run, path, "RUN", layout)
    return Design(
        subject=subject,
        nsd_id=image_of_trial - 1,
        session=session,
        run=run,
        shared=np.sort(shared - 1),
    )


def seen_by_all(design: Design, n_sessions: int) -> np.ndarray:
    """List shared images with all repeats within the first sessions, (image,) sorted.

    Shared images have the same trials for every subject: if `n_sessions` is the number that every
    subject completed, these are the images that all saw as often as planned (515 in NSD).
    """
    trials = design.nsd_id[: n_sessions * TRIALS_PER_SESSION]
    images, repeats = np.unique(trials, return_counts=True)
    return np.intersect1d(images[repeats == REPEATS], design.shared)


def read_image_table(layout: NSDLayout) -> pd.DataFrame:
    """Read `nsd_stim_info_merged.csv`, one row per image in the order of nsdId."""
    path = require(layout.image_table)
    with reading(path, "not a CSV table", HINT):
        table = pd.read_csv(path, index_col=0)
    needed = {"cocoId", "cocoSplit", "cropBox", "nsdId", "shared1000"}
    if missing := sorted(needed - set(table.columns)):
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}. {HINT}")
    if not np.array_equal(table["nsdId"], np.arange(len(table))):
        raise InputError(f"{path}: nsdId is not 0, 1, 2, …; rows are missing or moved. {HINT}")
    _require_numbers(path, table, ["cocoId"])
    return table


def _require_numbers(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> None:
    for column in columns:
        if not pd.api.types.is_numeric_dtype(table[column]):
            raise InputError(f"{path}: {column} holds text, expected numbers. {HINT}")


def _read_experiment_design(
    layout: NSDLayout, subject: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    path = require(layout.experiment_design)
    with reading(path, "not a readable MATLAB v5 file", HINT):
        with open(path, "rb") as file:
            # any bytes could be read as version 4; version 7.3 is HDF5
            if file.read(len(MATLAB)) != MATLAB:
                raise ValueError("another version")
        content = scipy.io.loadmat(path, variable_names=DESIGN_VARIABLES)
    ordering, images_of_subjects, shared = (
        integers(path, content, name) for name in DESIGN_VARIABLES
    )
    ordering, shared = ordering.ravel(), shared.ravel()
    number = _subject_number(subject)
    if images_of_subjects.ndim != 2 or len(images_of_subjects) < number:
        raise InputError(
            f"{path}: subjectim has shape {images_of_subjects.shape}, expected a row for each "
            f"subject up to {subject}. {HINT}"
        )
    images = images_of_subjects[number - 1]
    if len(ordering) == 0 or ordering.min() < 1 or ordering.max() > len(images):
        raise InputError(f"{path}: masterordering leaves the range of subjectim. {HINT}")
    return ordering, images, shared


def integers(path: Path, content: Mapping[str, Any], name: str) -> np.ndarray:
    """Convert a variable to int64: MATLAB stores small integers in small types, which wrap."""
    if name not in content:
        raise InputError(f"{path}: lacks the variable '{name}'. {HINT}")
    values = content[name]
    # structures and cells have the type object
    if not isinstance(values, np.ndarray) or values.dtype.kind not in "iuf":
        raise InputError(f"{path}: {name} is not a matrix of numbers. {HINT}")
    if not (np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**31)).all():
        raise InputError(f"{path}: {name} has values that are no whole numbers. {HINT}")
    return values.astype(np.int64)


def _read_behaviour(layout: NSDLayout, subject: str) -> pd.DataFrame:
    path = require(layout.behaviour(subject))
    with reading(path, "not a table of tab-separated columns", HINT):
        table = pd.read_csv(path, sep="\t")
    needed = {"SUBJECT", "SESSION", "RUN", "73KID", "10KID"}
    if missing := sorted(needed - set(table.columns)):
        raise InputError(f"{path}: lacks the columns {', '.join(missing)}. {HINT}")
    _require_numbers(path, table, sorted(needed))
    others = table.loc[table["SUBJECT"] != _subject_number(subject), "SUBJECT"]
    if len(others):
        raise InputError(f"{path}: has trials of subject {others.iloc[0]:.0f}. {HINT}")
    return table


def _agree(found: np.ndarray, plan: np.ndarray, path: Path, column: str, layout: NSDLayout) -> None:
    wrong = np.flatnonzero(found != plan)
    if len(wrong):
        trial = wrong[0]
        raise InputError(
            f"{path}: {column} of trial {trial + 1} is {found[trial]:.0f}, but "
            f"{layout.experiment_design.name} plans {plan[trial]}. The files are of different "
            "versions; fetch both again from NSD."
        )


def _check_image_table(
    layout: NSDLayout, subject: str, nsd_id: np.ndarray, shared: np.ndarray
) -> None:
    table = read_image_table(layout)
    if not np.array_equal(np.flatnonzero(table["shared1000"]), shared):
        raise InputError(
            f"{layout.image_table}: other images are shared1000 than sharedix in "
            f"{layout.experiment_design.name} names. The files are of different versions; fetch "
            "both again from NSD."
        )
    number = _subject_number(subject)
    columns = [f"subject{number}_rep{repeat}" for repeat in range(3)]
    if missing := [column for column in columns if column not in table]:
        raise InputError(f"{layout.image_table}: lacks {', '.join(missing)}. {HINT}")
    _require_numbers(layout.image_table, table, columns)
    trials = table[columns].to_numpy()
    # the table plans 40 sessions; ignore repeats after the last completed one
    image, repeat = np.nonzero((trials > 0) & (trials <= len(nsd_id)))
    # compare every entry: an array by trial would keep only one of two images of a trial
    trial = trials[image, repeat].astype(np.int64) - 1
    wrong = image != nsd_id[trial]
    without_image = np.setdiff1d(np.arange(len(nsd_id)), trial)
    if not wrong.any() and not len(without_image):
        return
    first = np.concatenate([trial[wrong], without_image]).min()
    listed = ", ".join(str(one) for one in image[trial == first]) or "none"
    raise InputError(
        f"{layout.image_table}: trial {first + 1} of {subject} shows image {listed}, but "
        f"{layout.experiment_design.name} says {nsd_id[first]}. The files are of different "
        "versions; fetch both again from NSD."
    )


def _subject_number(subject: str) -> int:
    return int(subject.removeprefix("subj"))
