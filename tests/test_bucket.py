"""A study whose NSD lies in an S3 bucket: Snakemake's storage plugin brings what each job reads."""

from __future__ import annotations

import re
import subprocess
import sys

import boto3
import conftest
import pytest
import yaml
from conftest import ROOT, TINY, Study
from runs import frozen

from pipeline.configuration.reading import parse_configuration
from pipeline.errors import InputError
from pipeline.manifest import read_manifest
from pipeline.nsd.layout import NSDLayout
from pipeline.nsd_bucket import Bucket, find_files

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
    """Paths in the bucket, and of files that are to be fetched."""
    study, manifest = parse_configuration(values), read_manifest(ROOT / "data_manifest.yaml")
    found = find_files(Bucket.of(study.nsd_bucket, manifest), study, manifest)
    return [file.path for file in found.inside], [file.path for file in found.packed]


def test_a_study_from_a_bucket_is_that_from_a_folder(study, bucket, tmp_path):
    """Byte for byte, and nothing of the bucket is left on the disk."""
    other = Study(tmp_path, tmp_path / "tiny.yaml")
    other.configuration.write_text(yaml.safe_dump(values_of(), sort_keys=False))
    fit = "encoding/subj03/all/bert.h5"
    said = other.snakemake(f"results/tiny/{fit}").stderr
    for path in (fit, "responses/subj03.h5", "splits/subj03/all.tsv", "features/subj03/bert.h5"):
        assert (other.results / path).read_bytes() == (study.results / path).read_bytes(), path
    brought = set(re.findall(rf"Retrieving from storage: {ADDRESS}/(\S+)", said))
    assert {BETAS, CAPTIONS} < brought
    # a text model is shown no picture, and of another subject nothing is read
    assert not any("nsd_stimuli.hdf5" in path or "subj01" in path for path in brought)
    kept = (other.directory / ".snakemake/storage").rglob("*")
    assert [path for path in kept if path.is_file()] == []
    assert other.planned(f"results/tiny/{fit}") == {}


def test_preflight_tells_what_jobs_will_take_from_the_bucket_and_what_it_cannot_see(
    bucket, without, tmp_path
):
    without(CAPTIONS)
    command = [sys.executable, "-m", "pipeline.stages.preflight"]
    command += ["--configuration", "study", "--manifest", str(ROOT / "data_manifest.yaml")]
    run = frozen(tmp_path, study=values_of())
    environment = {**conftest.ENVIRON, **run, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert f"Files of study tiny in {ADDRESS}" in done.stdout
    rows = [re.findall(r"\w[^│]*\w|\d", line) for line in done.stdout.splitlines() if "│" in line]
    found = {row[0].strip(): row[1:] for row in rows if row}
    assert found["single-trial responses"][0] == "3"
    assert found["captions"][:2] == ["2", "1"]
    assert "Of a bucket only names are seen here" in done.stdout
    assert "What study tiny will need" in done.stdout


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


def test_a_file_that_a_bucket_lacks_is_told_before_anything_runs(without):
    path = "nsddata/ppdata/subj03/func1pt8mm/roi/nsdgeneral.nii.gz"
    without(path)
    with pytest.raises(InputError, match=rf"1 of \d+ files are not in the bucket.*{path} \(mask\)"):
        files_of(values_of())


def test_real_data_are_under_the_terms_of_nsd(without):
    without("SIMULATED.json")
    with pytest.raises(InputError, match="nsd_terms_accepted"):
        files_of(values_of())
    assert BETAS in files_of(values_of(nsd_terms_accepted=True))[0]


def test_a_bucket_that_is_not_there_is_told(bucket):
    with pytest.raises(InputError, match=r"nsd: s3://nowhere cannot be listed .*NoSuchBucket"):
        files_of(values_of("s3://nowhere"))


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
