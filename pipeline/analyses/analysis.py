"""What an optional analysis adds to a study; each has a folder in `pipeline/analyses/`.

| file of the folder | what is in it |
|---|---|
| `analysis.py` | `ANALYSIS`, an object of a class derived from `Analysis`; its settings |
| `rules.smk` | its rules, and a rule that collects their results, which users request |
| a program for each rule | written like those in `pipeline/stages/` |
| `tables.py` | `COLUMNS`: {column: its description}, for columns that no other table has |
| `figures.py` | `study_figures(tables, images)`: figures drawn from its tables |
| `maps.py` | `voxel_maps(result)`: maps of its `map_files`; `QUANTITIES`: what they display |

The last three files exist if the analysis has such results. docs/new_analysis.md builds one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.configuration.variants import VariantSettings
    from pipeline.resources import Job
    from pipeline.study_size import SubjectSize


class Analysis:
    """An optional analysis; methods that a subclass does not override add nothing to a study.

    Every start of the workflow imports the subclasses, so they must import nothing slow.

    Attributes
    ----------
    target : name of the rule that collects the results: `snakemake <target>`
    settings : {key of the configuration: (type, default)}, as `pydantic.create_model` takes them
    page : page of the report on which its figures and tables are displayed
    titles : {table: its heading on that page}; other tables have their names as headings
    references : {citation in the methods: full reference}
    """

    target: ClassVar[str]
    settings: ClassVar[Mapping[str, tuple[Any, Any]]] = {}
    page: ClassVar[str] = "controls"
    titles: ClassVar[Mapping[str, str]] = {}
    references: ClassVar[Mapping[str, str]] = {}

    # ---- what is fitted

    def check(self, study: Study) -> None:
        """Raise ValueError, which names the key, if the settings do not go with the study."""

    def models(self, study: Study) -> list[str]:
        """Return feature spaces to fit as single models, in addition to the study's `models`."""
        return []

    def variants(self, study: Study) -> dict[str, VariantSettings]:
        """{name: variant} to fit for the analysis, in addition to the study's `variants`."""
        return {}

    def feature_spaces(self, study: Study) -> list[str]:
        """Return feature spaces that the analysis reads, whether they are fitted or not."""
        return []

    def stimuli(self, study: Study) -> list[str]:
        """Return the kinds of COCO files that it reads, keys of `settings.ANNOTATIONS`."""
        return []

    # ---- jobs

    def job_settings(self, study: Study) -> dict[str, Any]:
        """{key: value} of settings for its jobs that are not keys of the configuration."""
        return {}

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of one subject's jobs, which `snakemake preflight` adds up.

        Parameters
        ----------
        widths : {feature space: number of features}
        """
        yield from ()

    def picture_bytes(self, study: Study) -> float:
        """Return the bytes of its pictures, as files in all formats and on pages of the report."""
        return 0

    # ---- results

    def tables(self, study: Study) -> list[str]:
        """Return names of files in `tables/`, without endings, that the report displays."""
        return []

    def map_files(self, study: Study, subject: str, variant: str) -> list[str]:
        """Return result files of a subject and variant to make maps of, as paths in the results."""
        return []

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        yield from ()


def named_lists(study: Study, key: str) -> dict[str, list[str]]:
    """{name: its list} of a section of the configuration that an analysis adds."""
    return vars(study)[key]
