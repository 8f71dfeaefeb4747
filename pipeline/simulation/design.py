"""The experimental design: the image of each trial, in the form of NSD's files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from pipeline.simulation.settings import SimulationSettings

N_SUBJECTS = 8
TRIALS = 750
REPEATS = 3
RUN_LENGTHS = tuple((63, 62)[run % 2] for run in range(12))
# standard deviation, in trials, of the repeats of an image
SPREAD_OF_REPEATS = 120
SECONDS_PER_DAY = 86400
# (session, run) of which every simulated subject's answers are lost, as those of a run of NSD's
# subj04 and subj06 are
LOST = (1, 3)
ANSWERS = ("ISCORRECT", "RT", "CHANGEMIND", "ISCORRECTCURRENT", "TOTAL1", "TOTAL2", "BUTTON")


@dataclass(frozen=True)
class Plan:
    """The planned experiment, ids 1-based as in NSD's own files.

    Attributes
    ----------
    master_ordering : (trial,) the subject's image number (1…N) of each planned trial, the same for
        every subject
    subject_images : (8, N) image (1…) of each subject's image number
    shared : (shared,) sorted images (1…)
    """

    master_ordering: np.ndarray
    subject_images: np.ndarray
    shared: np.ndarray

    def images_of_trials(self, subject: str) -> np.ndarray:
        """List the 0-based image of every planned trial: (trial,)."""
        return self.subject_images[subject_number(subject) - 1, self.master_ordering - 1] - 1


def subject_number(subject: str) -> int:
    """Convert `subj01` to 1."""
    return int(subject.removeprefix("subj"))


def make_plan(settings: SimulationSettings, generator: np.random.Generator) -> Plan:
    """Draw the plan: every image three times, in nearby trials."""
    n_planned = settings.images_per_subject
    home = REPEATS * generator.permutation(n_planned)
    when = home + generator.normal(0, SPREAD_OF_REPEATS, (REPEATS, n_planned))
    ordering = np.tile(np.arange(1, n_planned + 1), REPEATS)[np.argsort(when.ravel())]
    images = generator.permutation(settings.n_images) + 1
    shared = np.sort(images[: settings.shared_images])
    own = images[settings.shared_images : settings.n_drawn].reshape(len(settings.subjects), -1)
    # Only simulated subjects have images of their own; the others, which have no files, take those
    # of the first subject to keep the number of images small.
    owner = {subject_number(name): row for name, row in zip(settings.subjects, own, strict=True)}
    rows = [owner.get(number, own[0]) for number in range(1, N_SUBJECTS + 1)]
    return Plan(ordering, np.array([np.concatenate([shared, row]) for row in rows]), shared)


def experiment_design(plan: Plan) -> dict[str, np.ndarray]:
    """Return the variables of nsd_expdesign.mat, in the small types that MATLAB chooses."""
    sessions = plan.master_ordering.reshape(-1, TRIALS)
    pattern = np.zeros((len(sessions), 12, 75), dtype=np.uint8)
    for run, length in enumerate(RUN_LENGTHS):
        pattern[:, run, 3 : 3 + length] = 1
    counts = [np.bincount(np.unique(s, return_counts=True)[1], minlength=4)[1:4] for s in sessions]
    return {
        "masterordering": plan.master_ordering.astype(np.uint16)[None],
        "subjectim": plan.subject_images.astype(np.int32),
        "sharedix": plan.shared.astype(np.int32)[None],
        "stimpattern": pattern,
        "basiccnt": np.array(counts, dtype=np.uint16).T,
    }


def image_table(
    plan: Plan, coco: pd.DataFrame, settings: SimulationSettings, generator: np.random.Generator
) -> pd.DataFrame:
    """Make nsd_stim_info_merged: 41 columns with the unnamed index, and all planned repeats."""
    n = settings.n_images
    table = coco.assign(
        loss=np.round(generator.uniform(0, 0.3, n), 3),
        nsdId=np.arange(n),
        flagged=generator.uniform(size=n) < 0.02,
        BOLD5000=generator.uniform(size=n) < 0.05,
        shared1000=np.isin(np.arange(1, n + 1), plan.shared),
    )
    repeats: dict[str, np.ndarray] = {}
    for number in range(1, N_SUBJECTS + 1):
        table[f"subject{number}"] = np.isin(
            np.arange(1, n + 1), plan.subject_images[number - 1]
        ).astype(int)
        trials = np.zeros((n, REPEATS), dtype=int)
        order = np.argsort(plan.master_ordering, kind="stable").reshape(-1, REPEATS) + 1
        trials[plan.subject_images[number - 1] - 1] = order
        repeats |= {f"subject{number}_rep{r}": trials[:, r] for r in range(REPEATS)}
    return table.assign(**repeats)


def behaviour(
    plan: Plan, subject: str, sessions: int, generator: np.random.Generator
) -> pd.DataFrame:
    """Make responses.tsv: the completed trials; the answers of one run are lost."""
    n = sessions * TRIALS
    trial = np.arange(n)
    ordering = plan.master_ordering[:n]
    recent, first = _memory(ordering)
    old = ~np.isnan(recent)
    answered = generator.uniform(size=n) > 0.004
    correct = np.where(answered, generator.uniform(size=n) < 0.85, np.nan)
    run = np.repeat(np.arange(1, 13), RUN_LENGTHS)
    within_run = np.concatenate([np.arange(1, length + 1) for length in RUN_LENGTHS])
    current = np.concatenate([~np.isnan(_memory(s)[0]) for s in ordering.reshape(-1, TRIALS)])
    button = np.where(answered, np.where(old == (correct == 1), 2, 1), np.nan)
    table = pd.DataFrame(
        {
            "SUBJECT": subject_number(subject),
            "SESSION": trial // TRIALS + 1,
            "RUN": np.tile(run, sessions),
            "TRIAL": np.tile(within_run, sessions),
            "73KID": plan.images_of_trials(subject)[:n] + 1,
            "10KID": ordering,
            "TIME": 7 * (trial // TRIALS) + 0.6 + (trial % TRIALS) * 4 / SECONDS_PER_DAY,
            "ISOLD": old.astype(int),
            "ISCORRECT": correct,
            "RT": np.where(answered, generator.uniform(400, 2500, n).round(1), np.nan),
            "CHANGEMIND": np.where(answered, generator.uniform(size=n) < 0.02, np.nan),
            "MEMORYRECENT": recent,
            "MEMORYFIRST": first,
            "ISOLDCURRENT": current.astype(int),
            "ISCORRECTCURRENT": correct,
            "TOTAL1": (button == 1).astype(int),
            "TOTAL2": (button == 2).astype(int),
            "BUTTON": button,
            "MISSINGDATA": 0,
        }
    )
    lost = (table["SESSION"] == LOST[0]) & (table["RUN"] == LOST[1])
    answers = table[[*ANSWERS]].mask(lost)
    return table.assign(**answers, MISSINGDATA=lost.astype(int))


def _memory(ordering: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Count trials between this presentation and the last and second last; NaN if there is none."""
    presented: dict[int, list[int]] = {}
    recent, first = np.full(len(ordering), np.nan), np.full(len(ordering), np.nan)
    for trial, image in enumerate(ordering.tolist()):
        before = presented.setdefault(image, [])
        if before:
            recent[trial] = trial - before[-1] - 1
        if len(before) > 1:
            first[trial] = trial - before[-2] - 1
        before.append(trial)
    return recent, first
