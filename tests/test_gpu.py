"""What a fit does with a GPU, as far as it can be tested without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from ridge_problems import ALPHAS, simulated

from encoding.ridge import block_search
from encoding.ridge.candidates import draw_band_weights
from encoding.ridge.problem import Options, Problem
from encoding.ridge.solver import stream_fits
from encoding.splits import inner_folds
from pipeline.fits import fit_inputs
from pipeline.jobs.machine import machine_gpus

SETTINGS = {"search": "windowed", "missing_images": "exclude"}


def problem(n_voxels: int, **options: object) -> Problem:
    bands, responses = simulated(0, 60, (8, 5), n_voxels)
    weights = draw_band_weights(2, 4, 0)
    chosen = Options(search="exact", backend="torch", **options)
    return Problem.of_one_model(bands, responses, inner_folds(60, 4, 0), ALPHAS, weights, chosen)


def collected(found) -> tuple[list[int], np.ndarray, np.ndarray]:
    """Sizes of the blocks, and their voxels and scores one after another."""
    blocks = [(voxels, fits["model"].cv_score) for voxels, fits in found]
    sizes = [len(voxels) for voxels, _ in blocks]
    return sizes, *(np.concatenate(part) for part in zip(*blocks, strict=True))


def test_voxels_are_fitted_in_smaller_blocks_once_memory_runs_out(monkeypatch):
    complete = problem(3000)
    (size,), _, expected = collected(stream_fits(complete))
    assert size == 3000
    search, calls = block_search.search_exactly, []

    def limited(centred, candidates, alphas):
        """The second block does not fit, nor does any as large."""
        calls.append(centred.n_voxels)
        if len(calls) > 1 and centred.n_voxels > 600:
            raise torch.OutOfMemoryError
        return search(centred, candidates, alphas)

    monkeypatch.setattr(block_search, "search_exactly", limited)
    monkeypatch.setattr("encoding.ridge.memory.MOST_VOXELS", 1024)
    sizes, voxels, scores = collected(stream_fits(complete))
    assert sizes[0] == 1024
    assert max(sizes[1:]) <= 600
    assert sorted(voxels) == list(range(3000))
    np.testing.assert_allclose(scores[np.argsort(voxels)], expected, rtol=0, atol=1e-5)


def test_a_fit_for_which_there_is_never_enough_memory_ends_in_words(monkeypatch):
    def never(*_):
        raise torch.OutOfMemoryError

    monkeypatch.setattr(block_search, "search_exactly", never)
    with pytest.raises(ValueError, match="no room for 512 voxels of a fit of 60 images"):
        list(stream_fits(problem(100)))


def test_a_machine_has_the_gpus_that_the_system_names(tmp_path):
    folder = tmp_path / "dev"
    folder.mkdir()
    for name in ("nvidiactl", "nvidia-uvm", "null"):
        (folder / name).touch()
    assert machine_gpus(tmp_path) == 0
    for name in ("nvidia0", "nvidia1"):
        (folder / name).touch()
    assert machine_gpus(tmp_path) == 2
    assert machine_gpus(Path("/nowhere")) == 0


@pytest.mark.parametrize(
    ("requested", "gpus", "usable", "used"),
    [
        ("auto", 0, False, "numpy"),
        # there, but reserved for other jobs
        ("auto", 1, False, "numpy"),
        ("auto", 1, True, "torch_cuda"),
        ("numpy", 1, True, "numpy"),
        ("torch", 1, True, "torch"),
        ("torch_cuda", 1, True, "torch_cuda"),
    ],
)
def test_a_fit_runs_on_a_gpu_where_there_is_one(monkeypatch, requested, gpus, usable, used):
    monkeypatch.setattr(fit_inputs, "machine_gpus", lambda: gpus)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: usable)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (10e9, 80e9))
    options = fit_inputs.solver_options({**SETTINGS, "backend": requested}, memory_mb=16_000)
    assert options.backend == used
    # within the GPU's free memory
    assert options.memory_bytes == (8e9 if used == "torch_cuda" else 16e9)
