"""Parts of stored matrices are those that ids ask for, however the file is laid out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.results.storage import create_result, open_result
from pipeline.results.stored_matrix import StoredMatrix

NSD_ID, VOXEL = np.arange(300)[::-1] * 3, np.arange(40) * 2 + 7
VALUES = 1000.0 * NSD_ID[:, None] + VOXEL
CHUNKS = {"by images": None, "by voxels": (300, 16)}


@pytest.fixture(scope="module", params=CHUNKS)
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("matrix") / "result.h5"
    with create_result(path, {}) as file:
        file.add("image", "image", NSD_ID)
        file.add("voxel", "voxel", VOXEL)
        chunks = CHUNKS[request.param]
        options = {} if chunks is None else {"chunks": chunks}
        file.add("responses", ("image", "voxel"), VALUES, **options)
    return path


@given(
    images=st.lists(st.sampled_from(NSD_ID.tolist()), min_size=1, max_size=280, unique=True),
    voxels=st.lists(st.sampled_from(VOXEL.tolist()), min_size=1, unique=True),
)
def test_images_and_voxels_come_in_the_order_that_is_asked_for(path, images, voxels):
    with open_result(path) as file:
        found = StoredMatrix(file, "responses", np.array(images), "the test").of(np.array(voxels))
    assert np.array_equal(found, 1000.0 * np.array(images)[:, None] + voxels)


def test_an_image_or_a_voxel_that_is_not_there_is_reported(path):
    with open_result(path) as file:
        with pytest.raises(InputError, match="lacks 1 of the 1 ids in the test"):
            StoredMatrix(file, "responses", np.array([1]), "the test")
        with pytest.raises(InputError, match=r"result\.h5: lacks 1 of the 2 ids"):
            StoredMatrix(file, "responses", NSD_ID, "the test").of(np.array([7, 8]))
