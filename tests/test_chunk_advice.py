"""Into how many jobs the voxels of a fit are best divided."""

from __future__ import annotations

from dataclasses import replace

import pytest
import yaml
from conftest import ROOT, bare

from pipeline.chunk_advice import LONGEST_HOURS, ChunkAdvice, advise_chunks
from pipeline.configuration import parse_configuration
from pipeline.expected_size import expected_subject
from pipeline.manifest import read_manifest
from pipeline.sizes import StudySize


def advice_on(mask: str, width: int, spaces: int, shrink: int = 1) -> ChunkAdvice:
    """On the fits of some spaces of NSD's first subject, all equally wide."""
    values = bare(yaml.safe_load((ROOT / "config/nsd.yaml").read_text()))
    names = ["clip_rn50", "resnet50", "bert", "alexnet"][:spaces]
    values |= {"subjects": ["subj01"], "models": names, "compare_presets": None}
    values |= {"contrasts": {"joint": names} if spaces > 1 else {}}
    values["responses"] = {**values["responses"], "mask": mask}
    study = parse_configuration(values)
    subject = expected_subject(study, read_manifest(ROOT / "data_manifest.yaml"), "subj01")
    subject = replace(subject, images=subject.images // shrink)
    size = StudySize({"subj01": subject}, 73_000, 5, {}, dict.fromkeys(names, width))
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
            assert advice.part_hours > LONGEST_HOURS / 3


def test_parts_are_not_made_to_factorise_features_again_and_again():
    """Few voxels and wide features: more jobs would hardly be shorter."""
    wide = advice_on("nsdgeneral", 4096, 4)
    assert wide.whole_hours > LONGEST_HOURS
    assert wide.chunks < 10
    assert wide.part_hours > wide.whole_hours / wide.chunks


@pytest.mark.parametrize("mask", ["nsdgeneral", "cortex"])
def test_fewer_images_are_no_more_jobs(mask):
    assert advice_on(mask, 2048, 3, shrink=4).chunks <= advice_on(mask, 2048, 3).chunks
