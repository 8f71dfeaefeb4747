"""Which change of a study that is too large for this machine costs least and would fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from pipeline.configuration.study import Configuration

# of the budget of a solver, in GB
BUDGETS = (4, 2, 1)
FIRST = "config/nsd_first.yaml"


def change_that_fits(study: Configuration, fits: Callable[[Configuration], bool]) -> str:
    """What to change, in words.

    Parameters
    ----------
    fits : whether a study does, by its estimates
    """
    found = next((words for words, changed in smaller_studies(study) if fits(changed)), None)
    said = (
        f"the cheapest change that would fit, as estimated: {found}"
        if found
        else "no change that was tried would fit: fewer subjects, nsdgeneral, less memory"
    )
    if study.simulation is not None:
        return said
    return f"{said}; {FIRST} is a study to begin with, of one subject (docs/real_data.md)"


def smaller_studies(study: Configuration) -> Iterator[tuple[str, Configuration]]:
    """(words, study) of changes that are tried, those that cost least first."""
    budgets = [budget for budget in BUDGETS if budget < study.encoding.memory_gb]
    for budget in budgets:
        yield f"`encoding: {{memory_gb: {budget}}}`", _with(study, "encoding", memory_gb=budget)
    general = _with(study, "responses", mask="nsdgeneral")
    of_cortex = study.responses.mask != "nsdgeneral"
    if of_cortex:
        yield "`mask: nsdgeneral`", general
        for budget in budgets:
            words = f"`mask: nsdgeneral` and `encoding: {{memory_gb: {budget}}}`"
            yield words, _with(general, "encoding", memory_gb=budget)
    for n in range(len(study.subjects) - 1, 0, -1):
        words = f"`subjects: [{', '.join(study.subjects[:n])}]`"
        yield words, _of_subjects(study, n)
        if of_cortex:
            yield f"{words} and `mask: nsdgeneral`", _of_subjects(general, n)


def _with(study: Configuration, section: str, **values: object) -> Configuration:
    settings = getattr(study, section).model_copy(update=values)
    return study.model_copy(update={section: settings})


def _of_subjects(study: Configuration, n: int) -> Configuration:
    return study.model_copy(update={"subjects": study.subjects[:n]})
