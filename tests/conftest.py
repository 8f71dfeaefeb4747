"""One small study, run whole by the real workflow, that many tests look at."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import warm_python
import xarray as xr
import yaml
from filelock import FileLock
from hypothesis import settings

from pipeline.analyses.registry import ANALYSES
from pipeline.simulation.settings import SimulationSettings

# transformers reads it when it is imported; no test may depend on a download
os.environ["HF_HUB_OFFLINE"] = "1"
# other people's files, which are no part of the project
collect_ignore = [] if os.environ.get("NSD_GENUINE_FILES") else ["test_genuine_files.py"]
# a slow machine is not a wrong result
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).resolve().parent.parent
TINY = ROOT / "tests/tiny.yaml"


# these run the workflow, or look at what it made
RUNNING = {"study", "measured"}
# which makes the small study, while other workers run files that do not wait for it
FIRST = "test_presets.py"
# of those that wait for it and of those that do not, what takes longest
LONGEST = {
    *("test_small_workflow.py", "test_determinism.py", "test_faults.py", "test_matrices.py"),
    *("test_given_features_workflow.py", "test_own_choices.py", "test_full_size.py"),
    *("test_synthetic_workflow.py", "test_slurm.py", "test_networks.py", "test_kernels.py"),
}


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Function]) -> None:
    """Mark every test of the finished small study as `workflow`, before tests are selected.

    Workers take files in this order: the one that makes the study, those that do not wait for it,
    and those that do, each with the longest first.
    """
    waiting = {item.path.name for item in items if _uses_the_study(item)}
    items.sort(
        key=lambda item: (
            item.path.name != FIRST,
            item.path.name in waiting,
            item.path.name not in LONGEST,
        )
    )
    for item in items:
        if _uses_the_study(item):
            item.add_marker(pytest.mark.workflow)


def _uses_the_study(item: pytest.Function) -> bool:
    # a parameter of that name is another study
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    return bool(RUNNING & (set(item.fixturenames) - set(parameters)))


CODE = (
    "README.md",
    "Snakefile",
    "data_manifest.yaml",
    "environment.yml",
    "pipeline",
    "features",
    "encoding",
    "config",
)


def bare(values: dict) -> dict:
    """A configuration whose models, comparisons and ROIs may be replaced.

    Sections that name them are left out: a study of others cannot have them.
    """
    analyses = [key for analysis in ANALYSES.values() for key in analysis.settings]
    naming = {"variants", "matched_variants", *analyses}
    return {key: value for key, value in values.items() if key not in naming}


@dataclass
class Study:
    """A folder in which the workflow was run, by the code of a checkout."""

    directory: Path
    configuration: Path
    checkout: Path = ROOT

    @property
    def nsd(self) -> Path:
        return self.directory / "data/tiny/nsd"

    @property
    def results(self) -> Path:
        return self.directory / "results/tiny"

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the workflow as a user does; on failure show what it said."""
        environ = {**ENVIRON, "PYTHONPATH": str(self.checkout)}
        # what a test changes there, a python that runs already would not take over
        if environ == {**USUAL, "PYTHONPATH": str(self.checkout)}:
            environ["PATH"] = f"{warm_folder()}:{environ['PATH']}"
        done = subprocess.run(self.command(*arguments), capture_output=True, text=True, env=environ)
        if check and done.returncode != 0:
            pytest.fail(
                f"snakemake {' '.join(arguments)}:\n{done.stdout[-4000:]}{done.stderr[-6000:]}"
            )
        return done

    def command(self, *arguments: str) -> list[str]:
        return [
            *(
                str(Path(sys.executable).parent / "snakemake"),
                "--snakefile",
                str(self.checkout / "Snakefile"),
            ),
            *("--directory", str(self.directory), "--configfile", str(self.configuration)),
            *("--cores", "2", "--rerun-incomplete", *arguments),
        ]

    def planned(self, *arguments: str) -> dict[str, int]:
        """Which jobs a run would start: {rule: number}."""
        text = self.snakemake("--dry-run", *arguments).stdout
        if "Job stats:" not in text:
            return {}
        lines = text.split("Job stats:")[-1].split("\n\n")[0].splitlines()[3:]
        counts = {line.split()[0]: int(line.split()[1]) for line in lines if line.strip()}
        return {rule: n for rule, n in counts.items() if rule not in ("all", "total")}

    def edit(self, change: object) -> None:
        """Change the study's configuration by a function of the loaded YAML."""
        values = yaml.safe_load(self.configuration.read_text())
        change(values)
        self.configuration.write_text(yaml.safe_dump(values, sort_keys=False))


def branch(study: Study, directory: Path, configuration: str) -> Study:
    """A study that goes on from a finished one, whose results it shares until it makes them anew.

    Stages replace results. Logs, benchmarks and Snakemake's records are written in place, so these
    are copied.
    """

    def share(source: str, target: str) -> None:
        in_place = {"logs", "benchmarks", ".snakemake"}.intersection(Path(source).parts)
        (shutil.copy2 if in_place else os.link)(source, target)

    shutil.copytree(study.directory, directory, copy_function=share)
    branched = Study(directory, directory / configuration)
    # a file of its own: it will be edited
    rewrite(branched.configuration, study.configuration.read_text())
    return branched


@pytest.fixture
def branched(study: Study, tmp_path: Path) -> Study:
    """The finished small study, to be damaged."""
    return branch(study, tmp_path / "study", study.configuration.name)


ENVIRON = {
    **os.environ,
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
}


USUAL = dict(ENVIRON)


@cache
def warm_folder() -> Path:
    """Folder of a `python` that has imported packages, for this process's studies."""
    folder = Path(tempfile.mkdtemp(prefix="warm"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return warm_python.start(folder)


@pytest.fixture
def tiny_values() -> dict:
    """The small study's configuration as plain values, which a test may change."""
    return read_tiny()


def read_tiny() -> dict:
    """Read the small study's configuration, as plain values."""
    return yaml.safe_load(TINY.read_text())


@pytest.fixture(scope="session")
def finished_study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The small study after `snakemake` has run it to the end, never to be edited.

    It is run once: workers of pytest-xdist wait for the first of them.
    """
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    finished = Study(shared / "finished", shared / "finished/tiny.yaml")
    with FileLock(shared / "finished.lock"):
        if not finished.directory.exists():
            finished.directory.mkdir()
            finished.configuration.write_text(TINY.read_text())
            finished.snakemake()
    if not (finished.results / "report/index.html").exists():
        pytest.fail("the small study did not run to its end in another worker, which shows why")
    return finished


@pytest.fixture(scope="module")
def study(finished_study: Study, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """A branch of the finished small study for the tests of a file.

    They may run on, and edit its configuration.
    """
    return branch(finished_study, tmp_path_factory.mktemp("study") / "study", "tiny.yaml")


@pytest.fixture(scope="module")
def predicted(study: Study) -> Study:
    """The small study with the predictions of test images, which a run does not keep."""
    study.snakemake("predictions")
    return study


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project once more, to be edited."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in CODE:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def restored(study: Study) -> Iterator[Study]:
    """The small study, its configuration put back afterwards."""
    text = study.configuration.read_text()
    yield study
    study.configuration.write_text(text)


@pytest.fixture(scope="session")
def surface_tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated NSD of one session with millimetre voxels and both surfaces."""
    tree = tmp_path_factory.mktemp("surfaces") / "nsd"
    simulate_without_networks(
        tree,
        spaces=["func1mm", "nativesurface", "fsaverage"],
        planned_sessions=1,
        shared_images=50,
        captions_per_image=1,
        subjects={"subj01": {"sessions": 1, "grid": [22, 27, 20], "formats": ["hdf5"]}},
    )
    return tree


@pytest.fixture(scope="session")
def layout(surface_tree: Path):
    """Where the files of that simulated NSD are."""
    from pipeline.nsd.layout import NSDLayout

    return NSDLayout(surface_tree)


@pytest.fixture(scope="session")
def image_table(layout) -> pd.DataFrame:
    """Its table of all images."""
    from pipeline.nsd.design import read_image_table

    return read_image_table(layout)


def simulate_without_networks(tree: Path, **changes: object) -> None:
    """The small study's brain with other settings, driven by random features."""
    # imported here: it brings transformers, which reads the environment set above
    from pipeline.simulation import simulate

    values = yaml.safe_load(TINY.read_text())["simulation"]
    generator = np.random.default_rng(0)

    def features(name, space, images, captions) -> np.ndarray:
        return generator.normal(size=(len(images), 12))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulate, "planted_features", features)
        simulate.simulate(SimulationSettings.model_validate({**values, **changes}), tree)


def responses_of(subjects: Sequence[str], space: str, betas: str, **settings: object) -> dict:
    """Section `responses` for each subject, with the mask nsdgeneral if nothing else is given."""
    from pipeline.configuration.fits import ResponseSettings

    section = {"space": space, "betas": betas, "mask": "nsdgeneral", **settings}
    return dict.fromkeys(subjects, ResponseSettings(**section).model_dump(mode="json"))


@pytest.fixture(scope="module")
def s3_address():
    """Address of a real S3 server on loopback."""
    from servers import s3_server

    with s3_server() as address:
        yield address


@pytest.fixture
def s3(s3_address, monkeypatch):
    """A bucket with NSD's name that the pipeline reads, and a client that may write to it."""
    from servers import nsd_bucket

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_address)
    with nsd_bucket(s3_address) as client:
        yield client


@pytest.fixture
def web():
    """A web server on loopback that serves three megabytes, and whose faults a test sets."""
    from servers import FaultyWeb

    server = FaultyWeb(os.urandom(3_000_000))
    yield server
    server.stop()


def damaged_copy(nsd: Path, folder: Path) -> Path:
    """A copy of the tree that shares its files until one is replaced."""
    tree = folder / "nsd"
    shutil.copytree(nsd, tree, copy_function=os.link)
    return tree


def rewrite(path: Path, content: bytes | str) -> None:
    """Replace a file, or add it, without touching what shares its content."""
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def assert_dimensions_are_named(path: Path) -> None:
    """xarray alone opens a result; docs/results.md has its arrays with their dimensions."""
    described = re.sub(r"_<layer>", "_LAYER", (ROOT / "docs/results.md").read_text())
    with xr.open_dataset(path, engine="h5netcdf") as data:
        assert {"file", "provenance"} <= set(data.attrs)
        for name, array in data.data_vars.items():
            layer = array.attrs.get("layer")
            recorded = f"`{name}` ({', '.join(array.dims)})"
            recorded = recorded if layer is None else recorded.replace(f"_{layer}", "_LAYER")
            assert recorded in described, f"{path}: {recorded}"
            array[(0,) * array.ndim if array.size else ()].load()
        for name, labels in data.coords.items():
            assert labels.dims == (name,), f"{path}: {name}"
            assert f"`{name}`" in described, f"{path}: {name}"


def assert_same_arrays(found, expected):
    """Two results of the same fits, computed in other parts: docs/robustness.md has the promise."""
    assert set(found.data.variables) == set(expected.data.variables)
    for name in expected.data.variables:
        values = expected[name]
        if name == "searched_exactly":
            # decided for each part
            assert found[name].shape == values.shape
        elif values.dtype.kind != "f":
            np.testing.assert_array_equal(found[name], values, err_msg=name)
        else:
            # a voxel whose fit is on the edge of being tested changes q of all, by a share of it
            relative = 1e-2 if name == "q" else 1e-3
            close = np.isclose(found[name], values, rtol=relative, atol=1e-5, equal_nan=True)
            assert close.mean() > 0.95, name
        if name.endswith("cv_score"):
            np.testing.assert_allclose(found[name], values, rtol=0, atol=1e-5, err_msg=name)


@pytest.fixture
def windows_at_any_size(monkeypatch):
    """Small problems are searched by windows too, which otherwise would not pay."""
    monkeypatch.setattr("encoding.ridge.windowed.SMALL", 0)


def weights_of(*pretrained: str, untrained: Sequence[str] = ()) -> dict[str, dict[str, str]]:
    """Weights of feature spaces as provenance records them."""
    states = {**dict.fromkeys(pretrained, "pretrained"), **dict.fromkeys(untrained, "untrained")}
    return {
        space: {"state": state, "label": f"{state} (made up)"} for space, state in states.items()
    }
