"""All that a study found in one voxel, and one sentence that says it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from encoding.variance_partitioning import COMPONENT_SEPARATOR, model_name
from pipeline.cli.names import command_on, not_made
from pipeline.configuration.reading import read_configuration
from pipeline.configuration.settings import COMPOSITE, WHOLE
from pipeline.configuration.study import Configuration
from pipeline.dataset.anatomy import open_anatomy
from pipeline.errors import InputError
from pipeline.maps.quantities import normalised_scores, preferred_model_map
from pipeline.report.html import banners
from pipeline.results.storage import Result, read_result
from pipeline.results.tables import read_table
from pipeline.show import output_console
from pipeline.tables.columns import ROI_COLUMN
from pipeline.tables.tables import LEAST_RELIABILITY, LEVEL
from pipeline.tables.voxels import HEMISPHERES, voxel_locations

UNKNOWN = "n/a"


@dataclass(frozen=True)
class VoxelResults:
    """Results of one voxel, each with an axis `voxel` of length 1.

    Attributes
    ----------
    singles : models of one feature space
    missing : models that the configuration has and that are not fitted yet
    fits : {model: its fit}
    partitions : {comparison: its partition}
    tests : {model or comparison: its tests}, which may be lacking
    """

    voxel: int
    grid: tuple[int, ...]
    rois: pd.DataFrame
    singles: list[str]
    missing: list[str]
    fits: dict[str, Result]
    partitions: dict[str, Result]
    tests: dict[str, Result]

    @property
    def first(self) -> Result:
        """A fit, for what all fits have alike: the noise ceiling."""
        return next(iter(self.fits.values()))


def explain_voxel(
    configfile: Path, subject: str, where: Sequence[str], console: Console | None = None
) -> None:
    """Print a voxel's scores, ceiling, unique and shared variance, regions and penalties.

    Parameters
    ----------
    where : X, Y, Z; or the number of the voxel; or lh or rh, and a vertex

    Raises
    ------
    InputError
        There is no such voxel, it was not modelled, or the study has not been run.
    """
    study = read_configuration(configfile)
    if subject not in study.subjects:
        raise InputError(
            f"{subject}: not in {configfile}, whose subjects are {', '.join(study.subjects)}"
        )
    found = read_voxel(study, configfile, subject, where)
    console = console or output_console()
    console.print(f"[bold]{place(found)} of {subject}, study {study.study}[/bold]")
    console.print(f"regions: {regions(found)}", markup=False, soft_wrap=True)
    console.print(f"mask: modelled, one of {_mask(study)}", markup=False, soft_wrap=True)
    console.print(_ceiling(found), soft_wrap=True, highlight=False)
    console.print(_scores(found))
    console.print(_fits(found))
    if found.partitions:
        console.print(_components(found))
    for text in banners(found.first.provenance):
        console.print(text, style="bold yellow", soft_wrap=True)
    if found.missing:
        console.print(f"not fitted yet: {', '.join(found.missing)}", soft_wrap=True)
    console.print(sentence(found), soft_wrap=True, highlight=False, markup=False)


# ---- reading


def read_voxel(
    study: Configuration, configfile: Path, subject: str, where: Sequence[str]
) -> VoxelResults:
    """Read the results of a voxel from the files of a study."""
    results = Path("results") / study.study
    files = {name: results / f"encoding/{subject}/{WHOLE}/{name}.h5" for name in study.fits()}
    fitted = {name: path for name, path in files.items() if path.exists()}
    if not fitted:
        raise InputError(not_made(results / f"encoding/{subject}", configfile))
    whole = read_result(next(iter(fitted.values())), ["grid_shape", "r"])
    grid = tuple(map(int, whole["grid_shape"]))
    voxel = voxel_index(where, grid)
    if voxel not in whole["voxel"]:
        raise InputError(_not_modelled(study, configfile, subject, voxel, grid, whole["voxel"]))
    comparisons = study.comparisons_of(WHOLE)

    def of(kind: str, names: Iterable[str]) -> dict[str, Result]:
        paths = {name: results / f"{kind}/{subject}/{WHOLE}/{name}.h5" for name in names}
        return {name: _alone(path, voxel) for name, path in paths.items() if path.exists()}

    table = results / f"rois/{subject}.tsv"
    return VoxelResults(
        voxel=voxel,
        grid=grid,
        rois=read_table(table) if table.exists() else pd.DataFrame(columns=["voxel", "atlas"]),
        singles=[name for name, spaces in study.fits().items() if len(spaces) == 1],
        missing=[name for name in files if name not in fitted],
        fits={name: _alone(path, voxel) for name, path in fitted.items()},
        partitions=of("partitions", comparisons),
        tests=of("significance", [*files, *comparisons]),
    )


def _alone(path: Path, voxel: int) -> Result:
    """Read a result, and keep one voxel of it."""
    result = read_result(path)
    return replace(result, data=result.data.sel(voxel=[voxel]))


def voxel_index(where: Sequence[str], grid: Sequence[int]) -> int:
    """Find the number of a voxel.

    Parameters
    ----------
    where : X, Y, Z; or the number of the voxel; or lh or rh, and a vertex
    grid : (X, Y, Z), or the numbers of vertices (left, right)

    Raises
    ------
    InputError
        There is no such voxel.
    """
    on_surface = len(grid) == len(HEMISPHERES)
    example = "lh 1200, or one number" if on_surface else "41 63 30, or one number"
    wrong = f"{' '.join(where)}: no {'vertex' if on_surface else 'voxel'}; write {example}"
    words, offset, sizes = list(where), 0, [int(np.prod(grid))]
    if on_surface:
        sizes = [sum(grid)]
        if words[0] in HEMISPHERES:
            side = HEMISPHERES.index(words.pop(0))
            offset, sizes = sum(grid[:side]), [grid[side]]
    elif len(words) == len(grid):
        sizes = list(grid)
    if len(words) != len(sizes) or not all(word.isdecimal() for word in words):
        raise InputError(wrong)
    numbers = [int(word) for word in words]
    if any(number >= size for number, size in zip(numbers, sizes, strict=True)):
        ends = " and ".join(f"0 to {size - 1}" for size in sizes)
        raise InputError(f"{' '.join(where)}: outside the grid; indices go from {ends}")
    return offset + int(np.ravel_multi_index(numbers, sizes))


def _not_modelled(
    study: Configuration,
    configfile: Path,
    subject: str,
    voxel: int,
    grid: Sequence[int],
    modelled: np.ndarray,
) -> str:
    near = nearest(voxel, modelled, _positions(study, subject, grid))
    command = command_on("explain voxel", configfile)
    return (
        f"{place_of(voxel, grid)} of {subject} was not modelled: it is not one of {_mask(study)}. "
        f"The nearest that was: {command} {subject} {' '.join(_indices(near, grid))}"
    )


def nearest(voxel: int, modelled: np.ndarray, positions: np.ndarray) -> int:
    """Find the modelled voxel nearest to another.

    Parameters
    ----------
    positions : (voxel of the grid, 3)
    """
    distance = np.linalg.norm(positions[modelled] - positions[voxel], axis=1)
    return int(modelled[np.argmin(distance)])


def _positions(study: Configuration, subject: str, grid: Sequence[int]) -> np.ndarray:
    """Return the positions of all voxels of a grid, or of the vertices of both hemispheres."""
    if len(grid) == 3:
        return np.stack(np.unravel_index(np.arange(np.prod(grid)), tuple(grid)), axis=1)
    surface = open_anatomy(study.nsd, subject, study.space).surface(study.space, ["white"])
    if surface is None:
        raise InputError(f"{study.nsd}: has no surface of {subject}")
    return np.concatenate([points for points, _ in surface.meshes["white"]])


# ---- words


def place(found: VoxelResults) -> str:
    """Name a voxel by its indices and its number."""
    return place_of(found.voxel, found.grid)


def place_of(voxel: int, grid: Sequence[int]) -> str:
    """Name a voxel by its indices and its number."""
    kind = "vertex" if len(grid) == len(HEMISPHERES) else "voxel"
    return f"{kind} {' '.join(_indices(voxel, grid))} (number {voxel})"


def _indices(voxel: int, grid: Sequence[int]) -> list[str]:
    if len(grid) == 3:
        return [str(index) for index in np.unravel_index(voxel, tuple(grid))]
    side = int(voxel >= grid[0])
    return [HEMISPHERES[side], str(voxel - side * grid[0])]


def regions(found: VoxelResults) -> str:
    """List the regions of a voxel with their collections."""
    named = _regions_by_atlas(found)
    return ", ".join(f"{roi} ({atlas})" for atlas, roi in named.items()) or "none that is listed"


def _regions_by_atlas(found: VoxelResults) -> dict[str, str]:
    row = voxel_locations("", np.array([found.voxel]), found.grid, found.rois).iloc[0]
    atlases = list(dict.fromkeys(found.rois["atlas"]))
    named = {atlas: row[ROI_COLUMN.format(atlas)] for atlas in atlases}
    return {atlas: str(roi) for atlas, roi in named.items() if pd.notna(roi)}


def _mask(study: Configuration) -> str:
    if study.responses is None:
        return "the voxels of the dataset"
    mask = study.responses.mask
    if mask.is_named:
        return f"the voxels of {mask.within} (responses.mask)"
    return f"the voxels of {mask.within} that meet the further conditions of responses.mask"


def _ceiling(found: VoxelResults) -> str:
    ceiling, error, reliability = (
        _number(found.first[name])
        for name in ("noise_ceiling", "noise_ceiling_error", "reliability")
    )
    return (
        f"noise ceiling: {ceiling} of the variance of the test responses can be explained "
        f"(standard error {error}); reliability {reliability}"
    )


def _scores(found: VoxelResults) -> Table:
    heads = ("model", "r", "interval", "R²", "interval", "q")
    table = _table("Models, on the test images", heads)
    for name, fit in found.fits.items():
        tests = found.tests.get(name)
        intervals = [_interval(tests, score) for score in ("r", "r2")]
        r, r2 = _number(fit["r"]), _number(fit["r2"])
        table.add_row(name, r, intervals[0], r2, intervals[1], _q(tests))
    return table


def _fits(found: VoxelResults) -> Table:
    heads = ("model", "r / √ceiling", "R² / ceiling", "training R²", "penalty", "band weights")
    table = _table("Shares of the noise ceiling, and what cross-validation selected", heads)
    for name, fit in found.fits.items():
        shares, normalised = fit.by_label("band_weights"), normalised_scores(fit)
        weights = ", ".join(f"{space} {_number(share)}" for space, share in shares.items())
        table.add_row(
            *(name, _number(normalised["normalisedR"]), _number(normalised["normalisedR2"])),
            *(_number(fit["cv_score"]), f"{fit['alpha'].item():.3g}"),
            weights if len(shares) > 1 else "",
        )
    return table


def _table(title: str, heads: Sequence[str]) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for head in heads:
        is_text = head in ("model", "band weights", "comparison", "component")
        # names are never cut
        table.add_column(head, justify="left" if is_text else "right", overflow="fold")
    return table


def _components(found: VoxelResults) -> Table:
    heads = ("comparison", "component", "R²", "interval", "q")
    table = _table("Variance of the test responses (R²)", heads)
    for comparison, partition in found.partitions.items():
        tests = found.tests.get(comparison)
        for component, value in partition.by_label("variance").items():
            spaces = component.split(COMPONENT_SEPARATOR)
            words = f"{'unique to' if len(spaces) == 1 else 'shared by'} {' and '.join(spaces)}"
            cells = (_number(value), _interval(tests, "variance", component), _q(tests, component))
            table.add_row(comparison, words, *cells)
        table.add_section()
    return table


def _value(tests: Result | None, name: str, component: str | None = None) -> float:
    if tests is None:
        return np.nan
    values = tests[name] if component is None else tests.by_label(name)[component]
    return float(values.item())


def _interval(tests: Result | None, name: str, component: str | None = None) -> str:
    ends = [_value(tests, f"{name}_{end}", component) for end in ("lower", "upper")]
    return UNKNOWN if np.isnan(ends).any() else f"{ends[0]:.3f} to {ends[1]:.3f}"


def _q(tests: Result | None, component: str | None = None) -> str:
    q = _value(tests, "q", component)
    return UNKNOWN if np.isnan(q) else f"{q:.2g}"


def _number(value: np.ndarray) -> str:
    number = float(value.item())
    return UNKNOWN if np.isnan(number) else f"{number:.3f}"


# ---- the sentence


def sentence(found: VoxelResults) -> str:
    """Say which model is best in a voxel, how good it is, and what is unique to it."""
    singles = {name: found.fits[name] for name in found.singles if name in found.fits}
    named = [roi for atlas, roi in _regions_by_atlas(found).items() if atlas != COMPOSITE]
    inside = f" in {', '.join(named)}" if named else ""
    subject = f"This {'vertex' if len(found.grid) == len(HEMISPHERES) else 'voxel'}{inside}"
    preferred = preferred_model_map(singles)
    if np.isnan(preferred.values.item()):
        return f"{subject} has no best model: {_why_none(found)}."
    best = (preferred.labels or {})[int(preferred.values.item())]
    by = "by cross-validation on the training images"
    said = [f"{subject} is best predicted by {best}, {by}.", _score(best, found)]
    return " ".join([*said, *_unique(best, found)])


def _why_none(found: VoxelResults) -> str:
    reliability = float(found.first["reliability"].item())
    if reliability < LEAST_RELIABILITY:
        return (
            f"its responses are too noisy to tell (reliability {reliability:.2f}, below "
            f"{LEAST_RELIABILITY})"
        )
    return "it has no scores, as responses to some images are missing"


def _score(model: str, found: VoxelResults) -> str:
    fit, tests = found.fits[model], found.tests.get(model)
    interval, share = _interval(tests, "r"), float(normalised_scores(fit)["normalisedR"].item())
    details = [] if interval == UNKNOWN else [f"interval {interval}"]
    if not np.isnan(share):
        details.append(f"{share:.0%} of the highest r that noise allows")
    sure = f" ({', '.join(details)})" if details else ""
    return f"Its r with the responses to test images is {fit['r'].item():.2f}{sure}."


def _unique(best: str, found: VoxelResults) -> Iterator[str]:
    """Say what the first comparison of the best model's feature space attributes to each part."""
    for comparison, partition in found.partitions.items():
        spaces = partition.configuration["spaces"]
        if best in spaces:
            yield _split(comparison, partition, found.tests.get(comparison), spaces)
            return


def _split(comparison: str, partition: Result, tests: Result | None, spaces: Sequence[str]) -> str:
    parts: Mapping[str, np.ndarray] = partition.by_label("variance")
    joint = float(partition.by_label("r2")[model_name(spaces)].item())
    together = f"Of the variance that {' and '.join(spaces)} explain together (R² = {joint:.3f})"
    said = []
    for space in spaces:
        value = float(parts[space].item())
        q = _value(tests, "q", space)
        amount = f"{value / joint:.0%}" if joint > 0 and 0 <= value <= joint else f"{value:.3f}"
        sure = "" if np.isnan(q) else f" (q = {q:.2g}{'' if q <= LEVEL else ', not significant'})"
        said.append(f"{amount} is unique to {space}{sure}")
    return f"{together}, {', '.join(said[:-1])} and {said[-1]}."
