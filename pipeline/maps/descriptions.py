"""What all maps show, those of optional analyses too."""

from __future__ import annotations

from pipeline.analyses.parts import parts
from pipeline.maps.quantities import DESCRIPTIONS


def described_quantities() -> dict[str, tuple[str, str]]:
    """{quantity: (what it is, unit)}, those of optional analyses last."""
    return DESCRIPTIONS | {
        quantity: told
        for module in parts("maps").values()
        for quantity, told in module.QUANTITIES.items()
    }


def ordered_labels() -> dict[str, str]:
    """{quantity of maps of labels that have an order: title}."""
    return {
        quantity: title
        for module in parts("maps").values()
        for quantity, title in getattr(module, "ORDERED", {}).items()
    }
