"""Interface of optional analyses, each of which has a folder in `pipeline/analyses/`.

| file of the folder | what is in it |
|---|---|
| `analysis.py` | `ANALYSIS`, an object of a class derived from `Analysis`; its settings |
| `rules.smk` | the rules that make its results; pipeline/rules/analyses.smk has the others |
| a program for each rule | written like those in `pipeline/stages/` |
| `tables.py` | `COLUMNS`: {column: its description}, for columns that no other table has; \
`TABLES`: {table: (function that yields the rows of one of `results`, columns, or None if there \
always are rows)} |
| `figures.py` | `study_figures(tables, images, spaces)`: figures drawn from its tables |
| `maps.py` | `voxel_maps(result)`: maps of `map_files`; `QUANTITIES`: what they display |

The last three files exist if the analysis has such results. docs/new_analysis.md builds one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from pipeline.configuration.study import Study
    from pipeline.configuration.variants import VariantSettings
    from pipeline.estimates.resources import Job
    from pipeline.estimates.study_size import SubjectSize


class Analysis:
    """An optional analysis; methods that a subclass does not override add nothing to a study.

    All but `check` and those of what is fitted are called only if the analysis is switched on.

    Every start of the workflow imports the subclasses, so they must import nothing slow.

    Attributes
    ----------
    target : name of the rule that collects results, tables and mapped files: `snakemake <target>`
    settings : {key of the configuration: (type, default)}, as `pydantic.create_model` takes them
    tables : {name of a file in `tables/`, without its ending: heading in the report}
    page : page of the report on which its figures and tables are displayed
    compares_subjects : whether it needs two or more subjects
    mapped : whether maps are made of `results`
    references : {citation in the methods: full reference}
    """

    target: ClassVar[str]
    settings: ClassVar[Mapping[str, tuple[Any, Any]]] = {}
    tables: ClassVar[Mapping[str, str]] = {}
    page: ClassVar[str] = "further_analyses"
    compares_subjects: ClassVar[bool] = False
    mapped: ClassVar[bool] = False
    references: ClassVar[Mapping[str, str]] = {}

    def is_on(self, study: Study) -> bool:
        """Test whether the first key of its settings has a value; without settings it is on."""
        return all(vars(study)[key] for key in list(self.settings)[:1])

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

    def experiments(self, study: Study) -> list[str]:
        """Return further experiments of NSD that it reads, as the manifest's `needs` name them."""
        return []

    # ---- jobs

    def predicted(self, study: Study) -> list[tuple[str, str]]:
        """(variant, model) of the fits whose predictions of test images its jobs read."""
        return []

    def predicted_by_job(self, study: Study) -> list[list[tuple[str, str]]]:
        """(variant, model) of `predicted` that each of a subject's jobs reads: one reads all."""
        return [self.predicted(study)]

    def job_settings(self, study: Study) -> dict[str, Any]:
        """{key: value} of settings for its jobs that are not keys of the configuration."""
        return {}

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """Yield estimates of one subject's jobs, which `snakemake preflight` adds up.

        Parameters
        ----------
        widths : {feature space: number of features}
        """
        from pipeline.estimates.resources import FLOAT, Job

        for values in self.values_per_voxel(study) if self.is_on(study) else ():
            yield Job(disk_bytes=subject.voxels * FLOAT * values)

    def values_per_voxel(self, study: Study) -> list[int]:
        """Return the number of values per voxel in each of a subject's results."""
        return []

    def picture_bytes(self, study: Study) -> float:
        """Return the bytes of its pictures, as files in all formats and on pages of the report."""
        return 0

    # ---- results

    def results(self, study: Study, subject: str) -> list[str]:
        """Return a subject's files in the results, of which tables and maps are made."""
        return []

    def table_settings(self, study: Study) -> dict[str, Any]:
        """Return settings that the rows of its tables depend on besides the results."""
        return {}

    def map_files(self, study: Study, subject: str) -> list[str]:
        """Return a subject's result files to make maps of, as paths in the results."""
        return self.results(study, subject) if self.mapped else []

    def methods(self, study: Study) -> Iterator[str]:
        """Yield sentences for the report's methods."""
        yield from ()


def times(number: int) -> str:
    """Write how often something was done."""
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def named_lists(study: Study, key: str) -> dict[str, list[str]]:
    """{name: its list} of a section of the configuration that an analysis adds."""
    return vars(study)[key]
