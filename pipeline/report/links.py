"""Pages of a report; the workflow imports this, so it must import nothing slow."""

from __future__ import annotations

from collections.abc import Sequence

PAGES = {
    "models": "scores of every model per region, noise ceilings",
    "comparisons": "unique and shared variance, models against each other, tests over subjects",
    "further_analyses": "analyses besides models and comparisons",
    "validation": "results of the analyses for simulated data with known truth",
    "methods": "methods with the parameters that were used, configuration, versions, times",
}
TITLES = {"further_analyses": "Further analyses", "methods": "Methods and provenance"}


def page_links(subjects: Sequence[str]) -> list[dict[str, str]]:
    """Return file, title and content of every page of a report, in their order."""
    links = [{"file": "index.html", "title": "Overview", "about": ""}]
    links += [
        {"file": f"{subject}.html", "title": subject, "about": "maps in slices and on surfaces"}
        for subject in subjects
    ]
    return links + [
        {"file": f"{name}.html", "title": TITLES.get(name, name.capitalize()), "about": about}
        for name, about in PAGES.items()
    ]
