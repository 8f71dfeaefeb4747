"""What an optional analysis adds to a study; each has a folder in `pipeline/analyses/`.

| file of the folder | what is in it |
|---|---|
| `analysis.py` | `ANALYSIS`, an object of a class derived from `Analysis`; its settings |
| `rules.smk` | its rules, and a rule that collects their results, which users ask for |
| a program for each rule | as those in `pipeline/stages/` |
| `tables.py` | `COLUMNS`: {column: what it means}, of columns that no other table has |
| `figures.py` | `study_figures(tables, images)`: figures of its tables |
| `maps.py` | `voxel_maps(result)`: maps of its `map_files`; `QUANTITIES`: what these show |

The last three are there if the analysis has such results. docs/new_analysis.md builds one.
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
    """An optional analysis. What a class does not override adds nothing to a study.

    Every start of the workflow imports the classes, so nothing that takes long to import.

    Attributes
    ----------
    target : what users ask `snakemake` for; a rule of that name collects the results
    settings : {key of the configuration: (type, default)}, as `pydantic.create_model` takes them
    page : of the report, on which figures and tables are shown
    titles : {table: its heading there}; other tables are called by their names
    references : {as the methods cite it: in full}
    """

    target: ClassVar[str]
    settings: ClassVar[Mapping[str, tuple[Any, Any]]] = {}
    page: ClassVar[str] = "controls"
    titles: ClassVar[Mapping[str, str]] = {}
    references: ClassVar[Mapping[str, str]] = {}

    # ---- what is fitted

    def check(self, study: Study) -> None:
        """Raise ValueError, which names the key, where settings do not go with the study."""

    def models(self, study: Study) -> list[str]:
        """Feature spaces that are fitted alone for the analysis, beside the study's `models`."""
        return []

    def variants(self, study: Study) -> dict[str, VariantSettings]:
        """{name: variant} that is fitted for the analysis, beside the study's `variants`."""
        return {}

    def feature_spaces(self, study: Study) -> list[str]:
        """Feature spaces that the analysis reads, whether they are fitted or not."""
        return []

    def stimuli(self, study: Study) -> list[str]:
        """Kinds of stimuli whose COCO files it reads, keys of `settings.ANNOTATIONS`."""
        return []

    # ---- jobs

    def job_settings(self, study: Study) -> dict[str, Any]:
        """{key: value} of what its jobs are told beyond the configuration's own keys."""
        return {}

    def jobs(self, study: Study, subject: SubjectSize, widths: Mapping[str, int]) -> Iterator[Job]:
        """About what it takes for one subject, which `snakemake preflight` adds up.

        Parameters
        ----------
        widths : {feature space: number of features}
        """
        yield from ()

    def picture_bytes(self, study: Study) -> float:
        """Bytes of its pictures, in all formats of figures and on pages of the report."""
        return 0

    # ---- results

    def tables(self, study: Study) -> list[str]:
        """Names of the files in `tables/`, without their endings, that the report shows."""
        return []

    def map_files(self, study: Study, subject: str, variant: str) -> list[str]:
        """Its files of a subject and variant, below the results of the study, that become maps."""
        return []

    def methods(self, study: Study) -> Iterator[str]:
        """Sentences of the report's methods."""
        yield from ()
