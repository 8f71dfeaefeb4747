"""Into how many jobs the voxels of a fit are best divided."""

from __future__ import annotations

import errno
import subprocess
import sys
from dataclasses import replace

import pytest
import yaml
from conftest import ROOT, bare

from pipeline import feature_widths
from pipeline.chunk_advice import ChunkAdvice, advise_chunks, choose_chunks
from pipeline.configuration import Configuration, parse_configuration
from pipeline.configuration.fits import ScatterSettings
from pipeline.errors import InputError
from pipeline.expected_size import expected_subject
from pipeline.manifest import read_manifest
from pipeline.sizes import StudySize

MANIFEST = read_manifest(ROOT / "data_manifest.yaml")
LONGEST = ScatterSettings().longest_hours


NAMES = ["clip_rn50", "resnet50", "bert", "alexnet"]


def study_of(mask: str, spaces: int, **changes: object) -> Configuration:
    """NSD's first subject, and all its fits of some spaces."""
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    names = NAMES[:spaces]
    values |= {"subjects": ["subj01"], "models": names}
    values |= {"contrasts": {"joint": names} if spaces > 1 else {}, **changes}
    values["responses"] = {**values["responses"], "mask": mask}
    return parse_configuration(values)


def advice_on(mask: str, width: int, spaces: int, shrink: int = 1) -> ChunkAdvice:
    """On the fits of some spaces of NSD's first subject, all equally wide."""
    study = study_of(mask, spaces)
    subject = expected_subject(study, MANIFEST, "subj01")
    subject = replace(subject, images=subject.images // shrink)
    size = StudySize({"subj01": subject}, 73_000, 5, {}, dict.fromkeys(NAMES[:spaces], width))
    return advise_chunks(study, size)["subj01"]


def test_small_fits_are_one_job():
    for spaces in (1, 2):
        assert advice_on("nsdgeneral", 512, spaces).chunks == 1
    assert advice_on("cortex", 512, 1).chunks == 1


def test_the_longer_a_fit_the_more_jobs_it_is_and_none_is_long_or_short():
    found = [advice_on("cortex", width, 3) for width in (512, 1024, 2048)]
    chunks = [advice.chunks for advice in found]
    assert chunks == sorted(chunks)
    assert chunks[0] == 1 < chunks[-1]
    for advice in found:
        assert advice.fit == "joint"
        assert advice.part_hours <= advice.whole_hours
        if advice.chunks > 1:
            assert advice.part_hours > LONGEST / 3


def test_parts_are_not_made_to_factorise_features_again_and_again():
    """Few voxels and wide features: more jobs would hardly be shorter."""
    wide = advice_on("nsdgeneral", 4096, 4)
    assert wide.whole_hours > LONGEST
    assert wide.chunks < 10
    assert wide.part_hours > wide.whole_hours / wide.chunks


@pytest.mark.parametrize("mask", ["nsdgeneral", "cortex"])
def test_fewer_images_are_no_more_jobs(mask):
    assert advice_on(mask, 2048, 3, shrink=4).chunks <= advice_on(mask, 2048, 3).chunks


# ---- the workflow chooses


def test_a_number_that_is_configured_is_taken_without_a_look_at_the_networks(tmp_path):
    study = study_of("cortex", 3, scatter={"voxel_chunks": 7})
    assert choose_chunks(study, MANIFEST, tmp_path / "widths.json") == 7
    assert not (tmp_path / "widths.json").exists()


@pytest.fixture
def asked(monkeypatch):
    """Networks that are all of one width, and the studies that asked them."""
    asked = []

    def measure(study):
        asked.append(study)
        return dict.fromkeys(study.used_spaces, 2048)

    monkeypatch.setattr(feature_widths, "_measure", measure)
    return asked


def test_networks_are_asked_once_and_again_when_a_space_is_of_another_layer(tmp_path, asked):
    kept, chooses = tmp_path / "widths.json", {"scatter": {"voxel_chunks": "auto"}}
    study = study_of("cortex", 3, **chooses)
    advised = advice_on("cortex", 2048, 3).chunks
    assert [choose_chunks(study, MANIFEST, kept) for _ in range(2)] == [advised, advised]
    assert len(asked) == 1
    assert advised > 1
    fewer = study_of("cortex", 2, **chooses)
    assert choose_chunks(fewer, MANIFEST, kept) <= advised
    assert len(asked) == 1
    values = study.model_dump(mode="json")
    values["feature_spaces"]["bert"]["pooling"] = "cls"
    choose_chunks(parse_configuration(values), MANIFEST, kept)
    assert len(asked) == 2


def test_widths_that_were_edited_by_hand_are_refused(tmp_path, asked):
    kept = tmp_path / "widths.json"
    study = study_of("cortex", 3, scatter={"voxel_chunks": "auto"})
    choose_chunks(study, MANIFEST, kept)
    kept.write_text(kept.read_text().replace("2048", "20"))
    with pytest.raises(InputError, match=r"widths.json: its content is not what its seal says"):
        choose_chunks(study, MANIFEST, kept)


def test_where_nothing_may_be_written_the_networks_are_asked_anew(tmp_path, asked, monkeypatch):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(feature_widths, "write_account", refuse)
    study = study_of("cortex", 3, scatter={"voxel_chunks": "auto"})
    for _ in range(2):
        assert choose_chunks(study, MANIFEST, tmp_path / "widths.json") > 1
    assert len(asked) == 2


def test_jobs_choose_without_the_libraries_of_networks(tmp_path, asked):
    """Every job of a study reads the workflow."""
    study = study_of("cortex", 2, scatter={"voxel_chunks": "auto"})
    kept, configuration = tmp_path / "widths.json", tmp_path / "study.json"
    choose_chunks(study, MANIFEST, kept)
    configuration.write_text(study.model_dump_json())
    program = (
        "import json, sys; from pathlib import Path\n"
        "from pipeline.chunk_advice import choose_chunks\n"
        "from pipeline.configuration import parse_configuration\n"
        "from pipeline.manifest import read_manifest\n"
        f"study = parse_configuration(json.loads(Path({str(configuration)!r}).read_text()))\n"
        f"manifest = read_manifest(Path({str(ROOT / 'data_manifest.yaml')!r}))\n"
        f"print(choose_chunks(study, manifest, Path({str(kept)!r})), 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.split() == [str(advice_on("cortex", 2048, 2).chunks), "False"]


def test_a_network_that_nobody_knows_is_told_when_the_workflow_starts(tmp_path):
    values = study_of("cortex", 2, scatter={"voxel_chunks": "auto"}).model_dump(mode="json")
    values["networks"]["resnet50"]["architecture"] = "resnot50"
    with pytest.raises(InputError, match=r"networks.resnet50: .*resnot50"):
        choose_chunks(parse_configuration(values), MANIFEST, tmp_path / "widths.json")
