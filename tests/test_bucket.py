"""A study whose NSD lies in an S3 bucket: what it needs is fetched from there before it is read."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import boto3
import conftest
import pytest
import yaml
from botocore import UNSIGNED
from conftest import ROOT, TINY, Study
from runs import frozen

from pipeline.configuration.reading import parse_configuration
from pipeline.errors import InputError
from pipeline.nsd.fetch.lock import LOCK_NAME
from pipeline.nsd.fetch.own_bucket import files_to_take, take_from
from pipeline.nsd.fetch.remotes import Bucket
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd.manifest import ArchiveSource, read_manifest

ADDRESS = "s3://institute/copies/nsd"
BETAS = "nsddata_betas/ppdata/subj03/func1pt8mm/betas_fithrf_GLMdenoise_RR/betas_session01.nii.gz"
CAPTIONS = "nsddata_stimuli/stimuli/nsd/annotations/captions_train2017.json"


def values_of(nsd: str = ADDRESS, **changes: object) -> dict:
    """The small study, of data that it does not simulate."""
    values = yaml.safe_load(TINY.read_text())
    values.pop("simulation")
    return {**values, "nsd": nsd, **changes}


@pytest.fixture(scope="module")
def bucket(study, s3_address):
    """A server has the small study's tree in a public bucket; only this client has keys."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
            patch.delitem(conftest.ENVIRON, name, raising=False)
        here = {"AWS_ENDPOINT_URL_S3": s3_address, "AWS_EC2_METADATA_DISABLED": "true"}
        for name, value in here.items():
            patch.setenv(name, value)
            patch.setitem(conftest.ENVIRON, name, value)
        keys = {"aws_access_key_id": "writer", "aws_secret_access_key": "writer"}
        client = boto3.client("s3", region_name="us-east-1", **keys)
        client.create_bucket(Bucket="institute", ACL="public-read")
        for path in sorted(path for path in study.nsd.rglob("*") if path.is_file()):
            key = f"copies/nsd/{path.relative_to(study.nsd)}"
            client.upload_file(str(path), "institute", key, ExtraArgs={"ACL": "public-read"})
        yield client


@pytest.fixture
def without(bucket):
    """Takes a file out of the bucket until the test is over."""
    taken = {}

    def take(path: str) -> None:
        key = f"copies/nsd/{path}"
        taken[key] = bucket.get_object(Bucket="institute", Key=key)["Body"].read()
        bucket.delete_object(Bucket="institute", Key=key)

    yield take
    for key, content in taken.items():
        bucket.put_object(Bucket="institute", Key=key, Body=content, ACL="public-read")


def files_of(values: dict) -> tuple[list[str], list[str]]:
    """Paths in the bucket, and of files that come from archives."""
    study = parse_configuration(values)
    manifest = take_from(study.nsd_bucket, read_manifest(ROOT / "data_manifest.yaml"))
    found = files_to_take(manifest, study)
    packed = [f.path for f in found if isinstance(manifest.sources[f.source], ArchiveSource)]
    return [file.path for file in found if file.path not in packed], packed


def run_stage(stage: str, values: dict, folder: Path, *options: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", f"pipeline.stages.{stage}", "--configuration", "study"]
    command += ["--manifest", str(ROOT / "data_manifest.yaml"), *options]
    environment = {**conftest.ENVIRON, **frozen(folder, study=values), "PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_a_study_from_a_bucket_is_that_from_a_folder(study, bucket, tmp_path):
    """Byte for byte. Only what the study needs is fetched, once, and other jobs see no change."""
    other = Study(tmp_path, tmp_path / "tiny.yaml")
    other.configuration.write_text(yaml.safe_dump(values_of(), sort_keys=False))
    fit = "encoding/subj03/all/bert.h5"
    assert other.planned(f"results/tiny/{fit}")["fetch_from_bucket"] == 1
    other.snakemake(f"results/tiny/{fit}")
    for path in (fit, "responses/subj03.h5", "splits/subj03/all.tsv", "features/subj03/bert.h5"):
        assert (other.results / path).read_bytes() == (study.results / path).read_bytes(), path
    nsd = other.directory / "data/s3/institute/copies/nsd"
    brought = {str(path.relative_to(nsd)) for path in nsd.rglob("*") if path.is_file()}
    assert brought == {*files_of(values_of())[0], LOCK_NAME, "fetched/tiny.json"}
    assert other.planned(f"results/tiny/{fit}") == {}
    other.edit(lambda values: values["encoding"].update(band_weight_samples=3))
    assert other.planned(f"results/tiny/{fit}") == {"fit_encoding_models": 1}
    # of files that are needed since
    other.edit(lambda values: values["subjects"].append("subj02"))
    done = other.snakemake("--dry-run", f"results/tiny/{fit}", check=False)
    assert "files were not needed when the study was fetched" in done.stderr
    assert "`snakemake fetch --configfile " in done.stderr


def test_nothing_is_asked_of_a_bucket_when_the_workflow_is_read(tmp_path, monkeypatch):
    other = Study(tmp_path, tmp_path / "tiny.yaml")
    other.configuration.write_text(yaml.safe_dump(values_of("s3://nowhere"), sort_keys=False))
    # which nobody answers
    monkeypatch.setitem(conftest.ENVIRON, "AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    assert other.planned("results/tiny/responses/subj03.h5") == {
        "average_responses": 1,
        "fetch_from_bucket": 1,
    }


def test_a_fetch_that_was_killed_goes_on(bucket, tmp_path):
    """The beginning of a file is there, and of which version it is."""
    nsd = tmp_path / "data/s3/institute/copies/nsd"
    head = bucket.head_object(Bucket="institute", Key=f"copies/nsd/{BETAS}")
    content = bucket.get_object(Bucket="institute", Key=f"copies/nsd/{BETAS}")["Body"].read()
    part = nsd / f"{BETAS}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(content[:100])
    part.with_name(f"{part.name}.version").write_text(f"{len(content)} {head['ETag'][1:-1]}")
    done = run_stage("fetch", values_of(), tmp_path, "--fetched", "fetched.json")
    assert done.returncode == 0, done.stderr
    assert (nsd / BETAS).read_bytes() == content
    assert not part.exists()
    assert (tmp_path / "fetched.json").exists()
    again = run_stage("fetch", values_of(), tmp_path)
    assert "0 files came" in again.stdout


@pytest.mark.parametrize("stage", ["preflight", "fetch"])
def test_it_is_reported_what_will_come_from_the_bucket_and_how_much(
    bucket, without, tmp_path, stage
):
    without(CAPTIONS)
    options = ["--plan", "plan.tsv"] if stage == "fetch" else []
    done = run_stage(stage, values_of(), tmp_path, *options)
    assert "External files of study tiny, below data/s3/institute/copies/nsd" in done.stdout
    rows = [re.findall(r"\w[^│]*\w|\d", line) for line in done.stdout.splitlines() if "│" in line]
    found = {row[0].strip(): row[1:] for row in rows if row}
    assert found["single-trial responses"][2] == "3"
    assert found["captions"][2] == "2"
    assert f"nsd: {ADDRESS}; " in done.stdout
    assert "coco: http://images.cocodataset.org" in done.stdout
    if stage == "preflight":
        assert "What study tiny will need" in done.stdout
    else:
        assert f"{BETAS}\tnsd\t" in (tmp_path / "plan.tsv").read_text()
        assert not (tmp_path / "data").exists()


def test_a_bucket_has_the_sessions_that_it_has_and_betas_in_either_format(study, bucket):
    inside, packed = files_of(values_of())
    assert BETAS in inside
    assert BETAS.replace("01.nii.gz", "02.nii.gz") not in inside
    assert packed == []
    listed = {path for path in inside if path != "SIMULATED.json"}
    assert all((study.nsd / path).is_file() for path in inside)
    assert NSDLayout(study.nsd).is_simulated
    assert len(listed) == len(inside) - 1


def test_annotations_that_a_bucket_lacks_are_fetched_from_coco(without):
    without(CAPTIONS)
    inside, packed = files_of(values_of())
    assert packed == [CAPTIONS]
    assert CAPTIONS not in inside


def test_a_file_that_a_bucket_lacks_is_reported_before_any_comes(without, tmp_path):
    path = "nsddata/ppdata/subj03/func1pt8mm/roi/nsdgeneral.nii.gz"
    without(path)
    done = run_stage("fetch", values_of(), tmp_path)
    assert re.search(rf"1 of \d+ files are not in the bucket.*{path} \(mask\)", done.stderr)
    assert not (tmp_path / "data").exists()


def test_real_data_are_under_the_terms_of_nsd(without, tmp_path):
    without("SIMULATED.json")
    done = run_stage("fetch", values_of(), tmp_path)
    assert "nsd_terms_accepted" in done.stderr
    assert not (tmp_path / "data").exists()
    done = run_stage("fetch", values_of(nsd_terms_accepted=True), tmp_path)
    assert done.returncode == 0, done.stderr


def test_a_bucket_that_is_not_there_is_reported(bucket):
    with pytest.raises(InputError, match=r"nsd: s3://nowhere cannot be listed .*NoSuchBucket"):
        files_of(values_of("s3://nowhere"))


def test_a_private_bucket_is_read_with_credentials(bucket, monkeypatch):
    """The server refuses nobody: what is looked at is whether requests are signed."""
    for keys in (False, True):
        if keys:
            monkeypatch.setenv("AWS_ACCESS_KEY_ID", "mine")
            monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
        remote = Bucket("institute", None, signed=True)
        assert (remote._client.meta.config.signature_version is UNSIGNED) != keys
    assert Bucket("institute", None)._client.meta.config.signature_version is UNSIGNED


@pytest.mark.parametrize(
    "nsd", ["s3://", "s3://a/../b", "s3://bucket/{subject}", "s3://bucket/a b"]
)
def test_an_address_is_of_names_only(nsd):
    with pytest.raises(InputError, match="no address of a bucket; write s3://bucket/prefix"):
        parse_configuration(values_of(nsd))


def test_what_is_simulated_is_not_written_to_a_bucket():
    simulation = yaml.safe_load(TINY.read_text())["simulation"]
    with pytest.raises(InputError, match="to a folder, not to a bucket"):
        parse_configuration(values_of(simulation=simulation))
