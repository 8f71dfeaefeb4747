"""What an optional analysis adds to a study; each has a folder in `pipeline/analyses/`.

The folder's `analysis.py` has one `ANALYSIS`, an object of a class that overrides what it needs of
`Analysis`. Beside it lie its `rules.smk`, a program for each rule, its tables, figures and maps.
`docs/new_analysis.md` builds one step by step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from pipeline.configuration.study import Study
    from pipeline.configuration.variants import VariantSettings
    from pipeline.figures.style import StudyFigure
    from pipeline.maps.quantities import VoxelMap
    from pipeline.resources import Job
    from pipeline.storage import Result
    from pipeline.study_size import SubjectSize

# (image, row, column, RGB) uint8 of ids (image,)
Images = Callable[["np.ndarray"], "np.ndarray"]


class Analysis:
    """An optional analysis. What a class does not override adds nothing to a study.

    Every start of the workflow imports this class and those derived from it: what needs numpy,
    pandas or matplotlib is imported inside the methods.

    Attributes
    ----------
    target : what users ask `snakemake` for; a rule of that name collects the results
    settings : {key of the configuration: (type, default)}, as `pydantic.create_model` takes them
    page : of the report, on which figures and tables are shown
    titles : {table: its heading there}; other tables are called by their names
    references : {as the methods cite it: in full}
    map_quantities : {quantity of a map: (what it is, unit)}
    ordered_labels : {quantity of a map of labels in an order: its title on the surface page}
    """

    target: ClassVar[str]
    settings: ClassVar[Mapping[str, tuple[Any, Any]]] = {}
    page: ClassVar[str] = "controls"
    titles: ClassVar[Mapping[str, str]] = {}
    references: ClassVar[Mapping[str, str]] = {}
    map_quantities: ClassVar[Mapping[str, tuple[str, str]]] = {}
    ordered_labels: ClassVar[Mapping[str, str]] = {}

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
        """Kinds of stimuli, keys of `pipeline.settings.ANNOTATIONS`, whose COCO files it reads."""
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

    # ---- results

    def tables(self, study: Study) -> list[str]:
        """Names of the files in `tables/`, without their endings, that the report shows."""
        return []

    def columns(self) -> Mapping[str, str]:
        """{column of its tables: what it means}, of columns that no other table has."""
        return {}

    def figures(self, tables: Mapping[str, pd.DataFrame], images: Images) -> Iterator[StudyFigure]:
        """Figures, drawn one at a time.

        Parameters
        ----------
        tables : {name: table} of all tables that have rows
        images : reads pictures of the stimuli
        """
        yield from ()

    def map_files(self, study: Study, subject: str, variant: str) -> list[str]:
        """Its files of a subject and variant, below the results of the study, that become maps."""
        return []

    def maps(self, result: Result) -> Iterator[VoxelMap]:
        """The maps that are made of one of `map_files`."""
        yield from ()

    def methods(self, study: Study) -> Iterator[str]:
        """Sentences of the report's methods."""
        yield from ()
