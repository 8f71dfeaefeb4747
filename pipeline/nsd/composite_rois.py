"""Regions of the study that combine several of NSD's ROIs."""

from __future__ import annotations

# {name: {ROI collection: labels}}
COMPOSITES: dict[str, dict[str, tuple[str, ...]]] = {
    "early visual": {"prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d")},
    "scene": {"floc-places": ("OPA", "PPA", "RSC")},
    "body": {"floc-bodies": ("EBA", "FBA-1", "FBA-2")},
    "face": {"floc-faces": ("OFA", "FFA-1", "FFA-2")},
    "TPOJ": {"HCP_MMP1": ("TPOJ1", "TPOJ2", "TPOJ3")},
    "angular gyrus": {"HCP_MMP1": ("PGi", "PGs", "PGp")},
}
