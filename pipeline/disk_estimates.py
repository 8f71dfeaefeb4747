"""Bytes that the files of a study take, by what is written into them.

Arrays are counted one by one. What no count tells (headers, how far maps and pictures can be
compressed) was measured on the demo and on the small study of the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.chunk_shapes import (
    Shape,
    chunks_of_images,
    chunks_of_voxels,
    places_on_disk,
)
from pipeline.nsd.layout import TRIALS_PER_SESSION
from pipeline.nsd.responses import NOISE_IMAGES
from pipeline.simulation.settings import (
    FSAVERAGE_VERTICES,
    IMAGES_PER_SESSION,
    MASK_SHARES,
    NATIVE_VERTICES,
    SimulationSettings,
)

FLOAT, ID, BETA = 4, 8, 2
# of an HDF5 file with its provenance and seal, and of what it keeps for each array, group, and
# array that is divided into chunks
FILE_BYTES, ARRAY_BYTES, GROUP_BYTES, CHUNKED_BYTES = 6400, 420, 700, 2250
# of a JSON beside a table
ACCOUNT_BYTES = 1700
IMAGE_BYTES = 425 * 425 * 3
# of COCO's text about an image besides its captions, and of a caption
INSTANCES_BYTES, CAPTION_BYTES = 2900, 115
# of a simulated subject's meshes, ROIs and transforms, and of fsaverage's
ANATOMY_BYTES, TEMPLATE_BYTES = 510_000, 300_000
# of a voxel's or vertex' chunk of betas in the file's index; what compression leaves of betas
CHUNK_INDEX_BYTES, COMPRESSED_BETAS = 67, 0.772
BEHAVIOUR_BYTES_PER_TRIAL = 77


def hdf5_bytes(data: float, arrays: int, groups: int = 0, chunked: int = 0) -> float:
    """Bytes of a result file with so many bytes of numbers."""
    kept = arrays * ARRAY_BYTES + groups * GROUP_BYTES + chunked * CHUNKED_BYTES
    return data + kept + FILE_BYTES


def matrix_bytes(shape: Shape, chunks: Shape) -> int:
    """Bytes of a float32 matrix that is divided into chunks."""
    return FLOAT * places_on_disk(shape, chunks)


# ---- a simulated NSD


def simulation_bytes(settings: SimulationSettings) -> float:
    """Bytes of all files of NSD that are simulated, and of the truth beside them."""
    about_image = INSTANCES_BYTES + CAPTION_BYTES * settings.captions_per_image
    total = settings.n_images * (IMAGE_BYTES + about_image) + TEMPLATE_BYTES
    of_chunk = TRIALS_PER_SESSION * BETA + CHUNK_INDEX_BYTES
    kept = {"hdf5": of_chunk, "nifti": TRIALS_PER_SESSION * BETA * COMPRESSED_BETAS}
    on_surface = {
        "nativesurface": sum(NATIVE_VERTICES.values()) * of_chunk,
        "fsaverage": 2 * FSAVERAGE_VERTICES * TRIALS_PER_SESSION * FLOAT,
    }
    for subject in settings.subjects.values():
        grid = math.prod(subject.grid)
        betas = grid * sum(kept[kind] for kind in subject.formats)
        betas += sum(on_surface[space] for space in settings.surfaces)
        behaviour = TRIALS_PER_SESSION * BEHAVIOUR_BYTES_PER_TRIAL
        images = subject.sessions * IMAGES_PER_SESSION
        truth = images * MASK_SHARES["nsdgeneral"] * grid * FLOAT
        total += subject.sessions * (betas + behaviour) + truth + ANATOMY_BYTES
    return total


# ---- features and responses

# of a file that refers to features that lie elsewhere, and of each run of neighbouring rows
REFERENCE_BYTES, BYTES_OF_RUN = 15_000, 78


def shard_bytes(n_images: int, widths: Sequence[int]) -> float:
    """Bytes of some images' features in layers of those widths."""
    shapes = [(n_images, width) for width in widths]
    data = sum(matrix_bytes(shape, chunks_of_images(shape)) for shape in shapes)
    return hdf5_bytes(data + ID * n_images, 1 + len(widths), 1, len(widths))


def space_bytes(n_images: int, width: int, reduced_from: int = 0) -> float:
    """Bytes of a feature space, and of the principal components that it has instead of features."""
    data = n_images * (FLOAT * width + ID)
    if not reduced_from:
        return hdf5_bytes(data, 2)
    return hdf5_bytes(data + FLOAT * (reduced_from * (width + 1) + width), 5, 1)


def reference_bytes(n_shared: int, n_own: int) -> float:
    """Bytes of a feature space whose rows are others', in the order of images of two kinds."""
    runs = 2 * n_shared * n_own / (n_shared + n_own)
    return REFERENCE_BYTES + BYTES_OF_RUN * runs


def response_bytes(n_images: int, n_voxels: int) -> float:
    """Bytes of a subject's averaged responses, how often each was measured, and noise."""
    data = n_images * (n_voxels * (FLOAT + 1) + 2 * ID) + n_voxels * (2 * FLOAT + ID)
    return hdf5_bytes(data + min(n_images, NOISE_IMAGES) * n_voxels * FLOAT, 10)


# ---- fits


def encoding_bytes(n_test: int, n_voxels: int, bands: Sequence[int], stacked: int) -> float:
    """Bytes of the scores of the models of a fit.

    Parameters
    ----------
    bands : number of feature spaces of each model
    stacked : number of spaces whose own models are weighed; 0 if they are not
    """
    # r, R², cross-validated R², penalty; of joint models how R² splits, and its offset
    arrays = [4 + n + (n + 1) * (n > 1) for n in bands]
    per_voxel = ID + FLOAT * (3 + sum(arrays) + (2 + stacked) * (stacked > 0))
    joint = sum(n > 1 for n in bands)
    n_arrays = 5 + sum(5 + (n + 1) * (n > 1) for n in bands) + 3 * (stacked > 0)
    n_groups = len(bands) + joint + (stacked > 0)
    return hdf5_bytes(n_voxels * per_voxel + ID * n_test, n_arrays, n_groups)


def prediction_bytes(n_test: int, n_voxels: int, n_models: int) -> float:
    """Bytes of what the models of a fit predict for its test images."""
    shape = n_test, n_voxels
    data = n_models * matrix_bytes(shape, chunks_of_voxels(shape)) if n_voxels else 0
    return hdf5_bytes(data + ID * (n_test + n_voxels), 2 + n_models, 1, n_models)


def significance_bytes(n_voxels: int, n_models: int, n_components: int) -> float:
    """Bytes of intervals of r and R², or of a component, and of p and q."""
    arrays, groups = 6 * n_models + 4 * n_components, n_models + n_components
    per_voxel = ID + FLOAT * arrays
    return hdf5_bytes(n_voxels * per_voxel, 1 + arrays, groups + (n_components > 0))


def partition_bytes(n_voxels: int, n_spaces: int, stacked: bool) -> float:
    """Bytes of a fit's variance in components, and by the product measure."""
    models = 2**n_spaces - 1
    # R² and components, shares of spaces and their offset, ceiling, gain of the joint model
    arrays = 2 * models + n_spaces + 1 + 2 + stacked
    return hdf5_bytes(n_voxels * (ID + FLOAT * arrays), 1 + arrays, 3)
