"""The cheapest change with which a study that is too large would fit this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.analyses.registry import ANALYSES
from pipeline.configuration.study import Configuration

# memory of the solver, in GB
BUDGETS = (4, 2, 1)
SESSIONS = (20, 10)
ALL_SESSIONS = 40
FIRST = "config/nsd_first.yaml"


def change_that_fits(study: Configuration, fits: Callable[[Configuration], bool]) -> str:
    """Return the cheapest change of a study that would fit, in words.

    Parameters
    ----------
    fits : tests whether a study fits this machine, by its estimates
    """
    found = next((words for words, changed in smaller_studies(study) if fits(changed)), None)
    text = (
        f"the cheapest change that would fit, as estimated: {found}"
        if found
        else "no change that was tried would fit: fewer subjects, fewer sessions, nsdgeneral, less "
        "memory"
    )
    if study.simulation is not None or len(study.subjects) == 1:
        return text
    return f"{text}; {FIRST} is a study to start with, of one subject (docs/real_data.md)"


def smaller_studies(study: Configuration) -> Iterator[tuple[str, Configuration]]:
    """Yield (change in words, changed study), in the order in which they are tried."""
    budgets = [budget for budget in BUDGETS if budget < study.encoding.memory_gb]
    for budget in budgets:
        yield f"`encoding: {{memory_gb: {budget}}}`", _with(study, "encoding", memory_gb=budget)
    general, words_of_mask = _in_nsdgeneral(study)
    if general is not None:
        yield words_of_mask, general
        for budget in budgets:
            words = f"{words_of_mask} and `encoding: {{memory_gb: {budget}}}`"
            yield words, _with(general, "encoding", memory_gb=budget)
    for n in range(len(study.subjects) - 1, 0, -1):
        words = _subjects_in_words(study, n)
        yield words, _of_subjects(study, n)
        if general is not None:
            yield f"{words} and {words_of_mask}", _of_subjects(general, n)
    if study.responses is None:
        return
    changes = [_subjects_in_words(study, 1)] if len(study.subjects) > 1 else []
    changes += [words_of_mask] if general is not None else []
    smallest = _of_subjects(general or study, 1)
    for n in SESSIONS:
        if n < (study.responses.sessions or ALL_SESSIONS):
            words = " and ".join([*changes, f"`responses: {{sessions: {n}}}`"])
            yield words, _with(smallest, "responses", sessions=n)


def _in_nsdgeneral(study: Configuration) -> tuple[Configuration | None, str]:
    """Return a study of the cortex with nsdgeneral as its mask, and the change in words."""
    if study.responses is None or study.responses.mask.within != "cortex":
        return None, ""
    mask = study.responses.mask.model_copy(update={"within": "nsdgeneral"})
    words = "`mask: nsdgeneral`" if mask.is_named else "`mask: {within: nsdgeneral, …}`"
    return _with(study, "responses", mask=mask), words


def _with(study: Configuration, section: str, **values: object) -> Configuration:
    settings = getattr(study, section).model_copy(update=values)
    return study.model_copy(update={section: settings})


def _of_subjects(study: Configuration, n: int) -> Configuration:
    left_out = dict.fromkeys(_sections_left_out(study, n))
    return study.model_copy(update={"subjects": study.subjects[:n], **left_out})


def _subjects_in_words(study: Configuration, n: int) -> str:
    words = f"`subjects: [{', '.join(study.subjects[:n])}]`"
    left_out = " and ".join(f"`{key}`" for key in _sections_left_out(study, n))
    return f"{words} without {left_out}" if left_out else words


def _sections_left_out(study: Configuration, n: int) -> list[str]:
    """List the sections of analyses that need more than `n` subjects."""
    needing = [one for one in ANALYSES.values() if one.compares_subjects and one.is_on(study)]
    return [next(iter(one.settings)) for one in needing] if n < 2 else []
