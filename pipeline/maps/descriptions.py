"""Descriptions of all maps, including those of optional analyses."""

from __future__ import annotations

from pipeline.analyses.parts import parts
from pipeline.maps.quantities import DESCRIPTIONS


def described_quantities() -> dict[str, tuple[str, str]]:
    """{quantity: (description, unit)}, those of optional analyses last."""
    return DESCRIPTIONS | {
        quantity: description
        for module in parts("maps").values()
        for quantity, description in module.QUANTITIES.items()
    }


def ordered_labels() -> dict[str, str]:
    """{quantity: title} of maps whose labels have an order."""
    return {
        quantity: title
        for module in parts("maps").values()
        for quantity, title in getattr(module, "ORDERED", {}).items()
    }
