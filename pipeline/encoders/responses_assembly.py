"""Measured responses of a subject as NetCDF, in the layout of Brain-Score's assemblies.

Dimensions and names of coordinates are those of Brain-Score's assemblies of NSD (`Allen2022_fmri`,
https://github.com/brain-score/vision): presentation × neuroid, one presentation per image.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from pipeline.configuration.reading import read_configuration
from pipeline.configuration.settings import WHOLE
from pipeline.errors import InputError
from pipeline.results.integrity import atomic_path
from pipeline.results.storage import canonical, open_result, read_result
from pipeline.results.tables import read_table


def export_assembly(configfile: Path, subject: str, path: Path) -> str:
    """Write the responses of a subject, and return how to open them.

    Raises
    ------
    InputError
        The subject is not in the study, or its models have not been fitted.
    """
    study = read_configuration(configfile)
    if subject not in study.subjects:
        raise InputError(
            f"{subject}: not in {configfile}, whose subjects are {', '.join(study.subjects)}"
        )
    fit = next(iter(study.fits(WHOLE)))
    assembly = responses_assembly(Path("results") / study.study, subject, fit)
    with atomic_path(path) as temporary:
        assembly.to_netcdf(temporary, engine="h5netcdf")
    images, voxels = assembly.shape
    return (
        f"{path}: {images} images, {voxels} voxels\n"
        f"    xarray.open_dataarray('{path}', engine='h5netcdf')"
    )


def responses_assembly(results: Path, subject: str, fit: str) -> xr.DataArray:
    """Make an assembly (presentation, neuroid) of responses averaged over an image's trials.

    Parameters
    ----------
    results : folder of a study
    fit : a fitted model, whose file has the noise ceilings of the test images
    """
    stored = results / f"responses/{subject}.h5"
    with open_result(stored) as file:
        places = [name for name in ("grid_shape", "affine") if name in file]
    measured = read_result(stored, ["responses", "n_repeats", *places])
    voxel, nsd_id = measured["voxel"], measured["image"]
    ceiling = read_result(results / f"encoding/{subject}/{WHOLE}/{fit}.h5", ["noise_ceiling"])
    split = read_table(results / f"splits/{subject}/{WHOLE}.tsv").set_index("nsd_id")["set"]
    rois = read_table(results / f"rois/{subject}.tsv")
    neuroid = {
        "neuroid_id": [f"{subject}_{number}" for number in voxel],
        "subject": np.full(len(voxel), subject),
        "voxel": voxel,
        "nc_testset": 100 * ceiling.ordered("voxel", voxel, stored)["noise_ceiling"],
        **{f"roi_{atlas}": _labels(found, voxel) for atlas, found in rois.groupby("atlas")},
    }
    if "affine" in places:
        index = np.stack(np.unravel_index(voxel, tuple(measured["grid_shape"])), axis=1)
        millimetres = index @ measured["affine"][:3, :3].T + measured["affine"][:3, 3]
        neuroid |= {f"voxel_{axis}": millimetres[:, k] for k, axis in enumerate("xyz")}
    presentation = {
        "stimulus_id": [f"nsd_{number:05d}" for number in nsd_id],
        "nsd_id": nsd_id,
        "n_trials": measured["n_repeats"],
        "set": split.reindex(nsd_id).fillna("").to_numpy(str),
    }
    settings = measured.configuration
    return xr.DataArray(
        measured["responses"],
        dims=("presentation", "neuroid"),
        coords={
            **{name: ("presentation", values) for name, values in presentation.items()},
            **{name: ("neuroid", values) for name, values in neuroid.items()},
        },
        name="responses",
        attrs={
            "identifier": f"{results.name}.{subject}",
            "unit": f"z-score within {settings['zscore_within']}, mean over an image's trials",
            "simulated": int(measured.provenance["simulated"]),
            "provenance": canonical(measured.provenance),
        },
    )


def _labels(found: pd.DataFrame, voxel: np.ndarray) -> np.ndarray:
    """Label voxels (voxel,) by an atlas, several labels joined by commas, "" without one."""
    joined = found.groupby("voxel")["roi"].agg(",".join)
    return joined.reindex(voxel).fillna("").to_numpy(str)
