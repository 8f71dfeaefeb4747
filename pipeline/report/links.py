"""Which pages a report has; read by the workflow, so without heavy imports."""

from __future__ import annotations

from collections.abc import Sequence

PAGES = {
    "models": "scores of every model per region, noise ceilings",
    "comparisons": "unique and shared variance, models against each other, tests over subjects",
    "controls": "analyses besides the main comparisons",
    "validation": "what the analyses find where the truth is known",
    "methods": "methods with the parameters that were used, configuration, versions, times",
}
TITLES = {"methods": "Methods and provenance"}


def page_links(subjects: Sequence[str]) -> list[dict[str, str]]:
    """Every page of a report, the first one first."""
    links = [{"file": "index.html", "title": "Overview", "about": ""}]
    links += [
        {"file": f"{subject}.html", "title": subject, "about": "maps in slices and on surfaces"}
        for subject in subjects
    ]
    return links + [
        {"file": f"{name}.html", "title": TITLES.get(name, name.capitalize()), "about": about}
        for name, about in PAGES.items()
    ]
