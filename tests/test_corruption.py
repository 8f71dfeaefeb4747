"""Nothing is quietly wrong: files that were altered, moved or mixed are named and refused."""

from __future__ import annotations

import ast
import os
import random
import re
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, rewrite
from runs import frozen, run_file

from pipeline.errors import InputError, OtherReleaseError
from pipeline.jobs.frozen_run import RUN, read_run
from pipeline.maps.files import read_map
from pipeline.report.html import read_figures
from pipeline.results import integrity
from pipeline.results.audit import audit_files, result_files, verify
from pipeline.results.integrity import checksum_path, file_hash
from pipeline.results.metadata import metadata_path, read_metadata, write_text
from pipeline.results.provenance import read_provenance
from pipeline.results.result_file import array_names
from pipeline.results.storage import read_result, write_result
from pipeline.results.tables import read_table, write_table
from pipeline.stages import fit_encoding_models
from pipeline.tables.voxels import read_voxels

pytestmark = pytest.mark.robustness


@pytest.fixture(scope="module")
def results(study, tmp_path_factory):
    """All results of the small study, whose content is shared until it is altered."""
    folder = tmp_path_factory.mktemp("corrupted") / "results"
    shutil.copytree(study.results.parent, folder, copy_function=os.link)
    return folder


def files_of(results):
    return [path for name in ("tiny", "features") for path in result_files(results / name)]


def altered(content: bytes, where: int) -> bytes:
    return content[:where] + bytes([content[where] ^ 0x20]) + content[where + 1 :]


@contextmanager
def undone(*paths: Path):
    """Contents of files, and what is done to them and their checksums inside is undone."""
    both = [*paths, *map(checksum_path, paths)]
    contents = {path: path.read_bytes() for path in both if path.exists()}
    try:
        for path, content in contents.items():
            # its own, no longer shared
            rewrite(path, content)
        yield contents[paths[0]]
    finally:
        for path, content in contents.items():
            rewrite(path, content)


def undated(path: Path, content: bytes) -> None:
    """Alter a file as a disk would: its date stays."""
    state = path.stat()
    rewrite(path, content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


def refused(path, check=verify) -> str:
    """Why a file is refused; nothing if it is not."""
    try:
        check(path)
    except InputError as error:
        return str(error)
    return ""


# an edit of a table of splits
TEST_AS_TRAINING = b"\ttest\t-1", b"\ttrain\t0"


# ---- one byte


def test_files_as_they_were_made_are_not_refused(results):
    assert len(files_of(results)) > 1000
    assert {path.suffix for path in files_of(results)} >= {
        *(".h5", ".tsv", ".json", ".gz", ".gii", ".parquet", ".html", ".svg", ".png", ".pdf")
    }
    run = read_run(run_file(results / "tiny"))
    assert list(audit_files(results / "tiny", run)) == []


def test_a_byte_altered_in_any_file_is_reported_by_its_name(results):
    """Every file that the workflow writes, at a random place and at both ends."""
    generator = random.Random(0)
    for path in files_of(results):
        with undone(path) as content:
            for where in (0, generator.randrange(len(content)), len(content) - 1):
                rewrite(path, altered(content, where))
                assert str(path) in refused(path), (path, where)


def test_a_file_that_was_cut_short_is_reported_by_its_name(results):
    """One of every kind and stage."""
    kinds = {(path.parent.name, path.suffix): path for path in files_of(results)}
    for path in kinds.values():
        with undone(path) as content:
            for length in (0, len(content) // 2, len(content) - 1):
                rewrite(path, content[:length])
                assert str(path) in refused(path), (path, length)


def test_whoever_reads_a_file_refuses_it_when_it_was_altered(results):
    """The readers that stages use, each with a byte in the middle of its file."""
    tiny = results / "tiny"
    figure = next((tiny / "figures").glob("*.svg"))
    columns = ["voxel", "model", "r2"]
    readers = {
        tiny / "encoding/subj01/all/bert.h5": lambda path: read_result(path, ["voxel"]),
        tiny / "responses/subj01.h5": read_provenance,
        tiny / "splits/subj01/all.tsv": read_table,
        tiny / "splits/subj01/all.json": lambda path: read_table(path.with_suffix(".tsv")),
        tiny / "maps/subj01/all/index.json": read_metadata,
        next((tiny / "maps/subj01/all").rglob("*_statmap.nii.gz")): read_map,
        next((tiny / "maps/subj01/all").rglob("*.func.gii")): read_map,
        tiny / "tables/voxels/subj01.parquet": lambda path: read_voxels(path, columns, ["bert"]),
        figure: lambda path: list(read_figures(path.parent)),
    }
    for path, read in readers.items():
        read(path)
        with undone(path) as content:
            rewrite(path, altered(content, len(content) // 2))
            assert path.stem.split(".")[0] in refused(path, read), path


def test_arrays_that_a_disk_altered_are_reported_when_they_are_read(results):
    """One file of every kind; by its date nobody wrote to it."""
    kinds = {path.relative_to(results).parts[:2]: path for path in results.rglob("*.h5")}
    assert len(kinds) > 10
    for path in kinds.values():
        with h5py.File(path) as file:
            chunk = first_chunk(file)
        if chunk is None:
            # rows of another file's
            continue
        with undone(path) as content:
            undated(path, altered(content, chunk.byte_offset + chunk.size // 2))
            reported = refused(path, read_result)
            assert f"{path}: its content is not what its checksum says" in reported


def first_chunk(file: h5py.File):
    for name in array_names(file):
        dataset = file[name]
        if not dataset.is_virtual and dataset.size and dataset.shape:
            return dataset.id.get_chunk_info(0)
    return None


def test_every_array_has_checksums_inside(results):
    for path in results.rglob("*.h5"):
        with h5py.File(path) as file:
            for name in array_names(file):
                array = file[name]
                plain = array.is_virtual or not array.shape or not array.size
                assert plain or array.fletcher32, f"{path}: {name}"


def test_other_programs_can_compare_the_checksums_of_a_study(results):
    """They are joined by the workflow that made it."""
    command = ["sha256sum", "--check", "--strict", "--quiet", "--ignore-missing", "SHA256SUMS"]
    for folder in (results / "tiny", results / "features"):
        listed = re.findall(r"^[0-9a-f]{64}  (.+)$", (folder / "SHA256SUMS").read_text(), re.M)
        files = [str(path.relative_to(folder)) for path in result_files(folder)]
        # tests that share this study may have removed files since
        assert sorted(name for name in listed if (folder / name).is_file()) == sorted(files)
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "")
    table = results / "tiny/splits/subj01/all.tsv"
    with undone(table) as content:
        rewrite(table, content.replace(*TEST_AS_TRAINING, 1))
        done = subprocess.run(command, cwd=results / "tiny", capture_output=True, text=True)
        assert done.stdout == "splits/subj01/all.tsv: FAILED\n"


def test_a_checksum_that_is_damaged_or_gone_is_reported_with_its_file(results):
    path = results / "tiny/encoding/subj01/all/bert.h5"
    with undone(path):
        rewrite(checksum_path(path), b"")
        assert f"{path}: its checksum, " in refused(path, read_result)
        checksum_path(path).unlink()
        assert f"{path}: has no checksum" in refused(path, read_result)


READERS = {
    # elsewhere for ids and shapes alone
    "h5py.File": {
        *("storage.py", "files.py", "feature_store.py", "resources.py"),
        # an interrupted simulation goes on with what it wrote
        "simulate.py",
    },
    # after `read_map`, for what else a map says
    "nibabel.load": {"files.py", "write_group_maps.py", "views.py"},
    # the first line reads tables of the project and of NSD, the second those of the user
    "pd.read_csv": {
        *("tables.py", "design.py", "photographs.py", "page.py"),
        *("predict_folder.py", "split_table.py", "own_texts.py", "files.py"),
    },
    "pd.read_parquet": {"voxels.py"},
    "json.load": set(),
    # plain matrices of the user
    "np.load": {"files.py", "simulate.py"},
    "np.loadtxt": set(),
    "np.fromfile": set(),
}


def test_no_stage_reads_files_but_by_a_reader_that_verifies_them():
    for path in (ROOT / "pipeline").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                allowed = READERS.get(ast.unparse(node.func), {path.name})
                assert path.name in allowed, f"{path}: {ast.unparse(node)}"


# ---- files of different runs


def of_another_run(path):
    """The same file as another run might have made it: other numbers, whole."""
    if path.suffix == ".h5":
        result = read_result(path)
        name = next(n for n, array in result.data.items() if array.dtype.kind in "fiu")
        values = result[name]
        values.flat[0] = 1 - np.nan_to_num(values.flat[0])
        write_result(path, result.data, result.provenance)
    else:
        account = read_metadata(metadata_path(path))
        table = read_table(path).iloc[:-1]
        write_table(path, table, account["columns"], account["provenance"])


def inputs_of(path, results):
    provenance = read_provenance(path) or {}
    for recorded in provenance.get("inputs", {}).values():
        source = results / recorded["file"]
        if "/" in recorded["file"] and source.is_file() and source.suffix in (".h5", ".tsv"):
            yield source


def test_a_result_beside_an_input_of_another_run_is_refused_and_both_are_named(results):
    """Every kind of result with every kind of its inputs."""
    pairs = {}
    for path in files_of(results):
        vouched = path.suffix == ".h5" or (path.suffix == ".tsv" and metadata_path(path).exists())
        for source in inputs_of(path, results) if vouched and "maps" not in path.parts else []:
            kind = path.relative_to(results).parts[:2], source.relative_to(results).parts[:2]
            pairs.setdefault(kind, (path, source))
    assert len(pairs) > 20
    for path, source in pairs.values():
        with undone(source, metadata_path(source)):
            of_another_run(source)
            reported = refused(path)
        assert "was made from another" in reported, (path, source)
        assert any(str(name) in reported for name in (path, metadata_path(path))), reported
        assert str(source) in reported


def test_a_result_that_lies_in_the_place_of_another_is_refused(results):
    """Another subject, another model, another fit: of the same shape or not."""
    tiny = results / "tiny"
    moves = {
        tiny / "features/subj01/bert.h5": tiny / "features/subj01/alexnet.h5",
        tiny / "encoding/subj01/all/bert.h5": tiny / "encoding/subj01/all/alexnet.h5",
        tiny / "responses/subj01.h5": tiny / "responses/subj03.h5",
        tiny / "significance/subj03/all/bert.h5": tiny / "significance/subj01/all/bert.h5",
        tiny / "splits/subj01/all.json": tiny / "splits/subj03/all.json",
    }
    for path, other in moves.items():
        with undone(path):
            rewrite(path, other.read_bytes())
            assert f"{path}: its content is not what its checksum says" in refused(path), path
            # with its date, before that of the checksum
            os.utime(path, (0, 0))
            readers = {
                ".h5": (read_result, "was made as "),
                ".json": (read_metadata, "its content"),
            }
            read, reported = readers[path.suffix]
            assert f"{path}: {reported}" in refused(path, read), path


# ---- at the join


@pytest.fixture
def fit(results, tmp_path, monkeypatch):
    """Run the stage that joins features, responses and a split."""
    features = results / "tiny/features/subj01"
    of_bert = specification(features / "bert.h5")
    fitted = read_provenance(results / "tiny/encoding/subj01/all/bert.h5")["configuration"]

    def run(**changes):
        command = (
            f"fit --spaces spaces --specifications specifications --configuration fitted "
            f"--stacked stacked "
            f"--features {features}/bert.h5 --responses {results}/tiny/responses/subj01.h5 "
            f"--split {results}/tiny/splits/subj01/all.tsv --memory-mb 1000 "
            f"--out {tmp_path}/fit.h5"
        )
        monkeypatch.setattr("sys.argv", command.split())
        specifications = {"bert": of_bert | changes}
        run = frozen(
            tmp_path, spaces=["bert"], specifications=specifications, fitted=fitted, stacked=False
        )
        monkeypatch.setenv(RUN, run[RUN])
        fit_encoding_models.main()

    yield run
    assert not (tmp_path / "fit.h5").exists()


def specification(path):
    provenance = read_provenance(path)["configuration"]
    own = {key: value for key, value in provenance.items() if key not in ("layers", "extraction")}
    return {**own, "extracted_from": provenance["extraction"]["network"]}


@pytest.mark.parametrize(
    "change",
    [
        {"layer": "embeddings"},
        {"pooling": "cls"},
        {"reduction": {"method": "pca", "components": 384.0}},
        {"extracted_from": {"library": "transformers", "architecture": "another"}},
    ],
)
def test_features_of_another_model_of_the_same_shape_are_refused_by_the_fit(fit, change):
    with pytest.raises(InputError, match=r"bert\.h5: features of .*, but the configuration says"):
        fit(**change)


def test_a_split_that_was_edited_by_hand_is_refused_by_the_fit(fit, results):
    path = results / "tiny/splits/subj01/all.tsv"
    with undone(path) as content:
        rewrite(path, content.replace(*TEST_AS_TRAINING, 1))
        with pytest.raises(InputError, match=r"all\.tsv: its content is not what .*hand"):
            fit()


def test_responses_of_another_run_than_the_split_are_refused_by_the_fit(fit, results):
    path = results / "tiny/responses/subj01.h5"
    with undone(path):
        of_another_run(path)
        with pytest.raises(
            InputError, match=r"all\.(tsv|json): was made from another .*subj01\.h5"
        ):
            fit()


# ---- by the workflow


def test_an_audit_names_what_was_altered_though_its_date_is_the_same(branched):
    """As a disk would alter it: Snakemake sees nothing to do."""
    for name in ("encoding/subj01/all/bert.h5", "tables/correlations.tsv"):
        path = branched.results / name
        content = path.read_bytes()
        undated(path, altered(content, len(content) // 2))
    assert branched.planned("report") == {}
    done = branched.snakemake("audit", check=False)
    assert done.returncode != 0
    said = done.stdout + done.stderr
    assert "bert.h5: its content is not what its checksum says" in said
    assert "correlations.tsv: its content is not what its checksum says" in said


def test_a_split_edited_by_hand_stops_the_workflow_before_anything_is_fitted(branched):
    path = branched.results / "splits/subj01/all.tsv"
    fit = branched.results / "encoding/subj03/all/bert.h5"
    before = file_hash(fit)
    rewrite(path, path.read_bytes().replace(*TEST_AS_TRAINING, 1))
    done = branched.snakemake("encoding", check=False)
    assert done.returncode != 0
    assert "all.tsv: its content is not what its checksum says" in done.stdout + done.stderr
    assert file_hash(fit) == before
    assert np.isfinite(read_result(fit)["r2"]).any()


# ---- studies of other releases


def as_if_of(release: int | None, monkeypatch, path: Path) -> None:
    """Write a file as a release of another format did; None: before there were checksums."""
    monkeypatch.setattr(integrity, "FORMAT", release)
    if path.suffix == ".h5":
        write_result(path, {"voxel": ("voxel", np.arange(3))}, {"stage": "fit"})
    elif path.suffix == ".html":
        write_text(path, "<html></html>")
    else:
        frame = pd.DataFrame({"model": ["bert"]})
        write_table(path, frame, {"model": "its name"}, {"stage": "tables"})
    if release is None:
        checksum_path(path).unlink()
    monkeypatch.undo()


@pytest.mark.parametrize(
    "name", ["encoding/subj01/all/bert.h5", "tables/models.tsv", "report/a.html"]
)
@pytest.mark.parametrize("release", [None, integrity.FORMAT + 1, integrity.FORMAT + 120])
def test_results_of_another_release_are_refused_by_its_number(name, release, tmp_path, monkeypatch):
    path = tmp_path / "results/old" / name
    as_if_of(release, monkeypatch, path)
    with pytest.raises(OtherReleaseError) as refused:
        verify(path)
    message = str(refused.value)
    if release is None:
        assert "has no checksum" in message
        assert "an earlier release" in message
        return
    assert f"made by a later release, in format {release} of results" in message
    assert f"of which this one reads {integrity.FORMAT};" in message
    assert message.count(". ") == 0
    # nor by its hash, as an input of a newer result
    if name.endswith(".h5"):
        newer = tmp_path / "results/old/significance/subj01/all/bert.h5"
        inputs = {"fit": {"file": "old/" + name, "sha256": "0"}}
        write_result(newer, {"voxel": ("voxel", np.arange(3))}, {"inputs": inputs})
        with pytest.raises(OtherReleaseError):
            read_result(newer)
