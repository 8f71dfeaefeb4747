"""Descriptions of the tests of voxels for results, sidecars and reports."""

from __future__ import annotations

from encoding.inference.significance import COUNTED_BLOCKS


def describe_tests(test: str, resample: str, draws: int) -> dict[str, str]:
    """Describe the p-values of models and of components of variance.

    Parameters
    ----------
    test, resample, draws : as in `significance` of the configuration

    Returns
    -------
    {"models": …, "components": …}, each without a verb and a full stop
    """
    if test == "bootstrap":
        of = f"share of {draws} bootstrap draws at or below 0, not below 1 / {draws + 1}, one-sided"
        return {"models": f"R²: {of}", "components": of}
    by_student = (
        "Student's t of the correlation of predictions with normal scores (ranks) of responses"
    )
    return {
        "models": f"{by_student}, one-sided"
        if resample == "images"
        else _flips("products of predictions and normal scores (ranks) of responses", resample),
        "components": describe_paired_flips(resample, "one-sided"),
    }


def describe_paired_flips(resample: str, sides: str) -> str:
    """Describe the p-value of a difference of models; `sides` is "one-sided" or "two-sided"."""
    return _flips("paired differences of squared errors", resample, sides)


def _flips(flipped: str, resample: str, sides: str = "one-sided") -> str:
    alike = "" if resample == "images" else ", flipped by whole clusters of images"
    return (
        f"sign flips of {flipped}{alike}, tail by saddlepoint approximation "
        f"(counted for {COUNTED_BLOCKS} or fewer), {sides}"
    )
