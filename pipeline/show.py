"""A study's results in the terminal and for another program, and the layers of its networks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from pipeline.cli.names import not_made
from pipeline.configuration.names import declared
from pipeline.configuration.reading import read_configuration
from pipeline.configuration.settings import WHOLE
from pipeline.configuration.study import Configuration
from pipeline.dataset.anatomy import open_anatomy
from pipeline.errors import InputError
from pipeline.maps.pycortex import export
from pipeline.report.html import banners
from pipeline.results.metadata import read_metadata
from pipeline.results.provenance import read_provenance
from pipeline.results.tables import read_table

PIPE_WIDTH = 160
TABLES = {
    "correlations": (
        "Test scores, mean over voxels",
        ("subject", "model", "mean_r", "mean_r2", "mean_normalised_r", "n_significant", "n_voxels"),
    ),
    "partitions": (
        "Variance (test R²), mean over voxels",
        ("subject", "comparison", "component", "mean_variance", "n_significant", "n_voxels"),
    ),
    "best_voxels": (
        "Best voxels, picked on the test images: biased upward",
        ("subject", "model", "best_r", "best_r2", "best_voxel", "best_voxel_rois"),
    ),
}


def show(configfile: Path, subject: str | None = None, console: Console | None = None) -> None:
    """Print the headlines of a study's tables, and where everything is.

    Parameters
    ----------
    subject : subject whose rows are printed; None for all subjects

    Raises
    ------
    InputError
        The subject is not in the study, or its tables have not been made.
    """
    study = _read(configfile, subject)
    console = console or output_console()
    results = Path("results") / study.study
    if not (results / "tables").exists():
        raise InputError(not_made(results / "tables", configfile))
    for name, (title, columns) in TABLES.items():
        rows = _headlines(read_table(results / f"tables/{name}.tsv"), subject)
        console.print(_table(title, rows[[*columns]]))
    for text in banners(read_provenance(results / "tables/correlations.tsv")):
        console.print(text, style="bold yellow")
    console.print(_paths(study, results, subject))


def export_subject(configfile: Path, subject: str, folder: Path) -> str:
    """Write a subject for pycortex (`pipeline.maps.pycortex.export`), and return how to display it.

    Raises
    ------
    InputError
        The subject is not in the study, or has no maps on native surfaces.
    """
    study = _read(configfile, subject)
    maps = Path("results") / study.study / f"maps/{subject}/{WHOLE}"
    anatomy = open_anatomy(study.nsd, subject, study.space)
    made = export(anatomy, subject, maps, folder)
    one = next(iter(sorted((made / "vertex").glob("*_stat-r.npy"))))
    return (
        f"{made}: surfaces and maps of {subject}. With this folder in pycortex's store:\n"
        f"    cortex.webshow(cortex.Vertex(numpy.load('{one}'), '{subject}', cmap='RdBu_r'))"
    )


def print_layers(configfile: Path, network: str) -> None:
    """Print the layers of a network: its outputs, common names and modules, one per line.

    Layers are those of the architecture: pretrained weights are not downloaded. Those of given
    features are the arrays of the file, with their shapes.

    Raises
    ------
    InputError
        The configuration does not use the network, or it cannot be built.
    """
    study = read_configuration(configfile)
    try:
        declared("networks", [network], study.networks)
        # imported here: it imports torch, which no other command needs
        from features.networks import load_network

        settings = study.network_specification(network)
        pretrained = settings["weights"] == "pretrained"
        built = load_network(settings, device="cpu", measured_only=pretrained)
    except ValueError as error:
        raise InputError(f"{configfile}: {error}") from None
    modules = built.module.named_modules()
    lines = [
        *((name, built.describe(name)) for name in built.outputs),
        *((name, f"common name of {path}") for name, path in built.layer_names.items()),
        *((path, type(module).__name__) for path, module in modules if path),
    ]
    width = max(len(name) for name, _ in lines)
    for name, meaning in lines:
        print(f"{name:{width}}  {meaning}")


def _read(configfile: Path, subject: str | None) -> Configuration:
    study = read_configuration(configfile)
    if subject is not None and subject not in study.subjects:
        raise InputError(
            f"{subject}: not in {configfile}, whose subjects are {', '.join(study.subjects)}"
        )
    return study


def output_console() -> Console:
    """Return a console as wide as the terminal, or as all columns for files and pipes."""
    console = Console()
    return console if console.is_terminal else Console(width=PIPE_WIDTH)


def _headlines(table: pd.DataFrame, subject: str | None) -> pd.DataFrame:
    """Return the rows on all modelled voxels, fitted to all images."""
    table = table[table["variant"] == WHOLE]
    if "roi" in table:
        table = table[table["roi"] == "all"]
    return table if subject is None else table[table["subject"] == subject]


def _table(title: str, rows: pd.DataFrame) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    for name, kind in rows.dtypes.items():
        table.add_column(name, justify="right" if pd.api.types.is_numeric_dtype(kind) else "left")
    for row in rows.itertuples(index=False):
        table.add_row(*map(_cell, row))
    return table


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "n/a" if pd.isna(value) else f"{value:.3f}".removesuffix(".000")
    return str(value)


def _paths(study: Configuration, results: Path, subject: str | None) -> Table:
    table = Table(title="Files", title_justify="left", title_style="bold", show_header=False)
    table.add_column("what")
    table.add_column("where", overflow="fold")
    for what, path in _locations(study, results, subject):
        # a path that is wrapped can neither be clicked nor copied
        table.add_row(what, str(path.resolve()) if path.exists() else f"{path} (not made yet)")
    return table


def _locations(
    study: Configuration, results: Path, subject: str | None
) -> Sequence[tuple[str, Path]]:
    subjects = study.subjects if subject is None else [subject]
    found = [("report", results / "report/index.html"), ("tables", results / "tables")]
    for name in subjects:
        maps = results / f"maps/{name}/{WHOLE}"
        index = maps / "index.json"
        n_maps = len(read_metadata(index)["maps"]) if index.exists() else 0
        found += [
            (f"{name}: page", results / f"report/{name}.html"),
            (f"{name}: {n_maps} map files", maps),
            (f"{name}: voxels", results / f"tables/voxels/{name}.parquet"),
        ]
    return [
        *found,
        ("maps of the group", results / "maps/group"),
        ("figures", results / "figures"),
    ]
