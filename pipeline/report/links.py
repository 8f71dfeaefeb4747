"""Pages of a report; the workflow imports this, so it must import nothing slow."""

from __future__ import annotations

from collections.abc import Sequence

PAGES = {
    "explorer": "every voxel: its scores, intervals, regions, and the images it responds to most",
    "models": "how well each model predicts every region, against what can be predicted",
    "comparisons": "what is unique to each feature space and what several share, with tests",
    "further_analyses": "the further analyses that are configured for this study",
    "validation": "how far the results can be trusted: checks against a known truth",
    "methods": "what was done, ready to quote; configuration, versions, times",
}
TITLES = {
    "explorer": "Voxel explorer",
    "further_analyses": "Further analyses",
    "methods": "Methods and provenance",
}


def page_links(subjects: Sequence[str]) -> list[dict[str, str]]:
    """Return file, title and content of every page of a report, in their order."""
    links = [{"file": "index.html", "title": "Overview", "about": ""}]
    links += [
        {"file": f"{name}.html", "title": title_of(name), "about": PAGES[name]} for name in PAGES
    ]
    return links + [
        {"file": f"{subject}.html", "title": subject, "about": "scores and maps of the subject"}
        for subject in subjects
    ]


def title_of(page: str) -> str:
    """Return the title of a page by the name of its file."""
    return "Overview" if page == "index" else TITLES.get(page, page.capitalize())
