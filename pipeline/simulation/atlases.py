"""Label names of the simulated ROI collections, as in NSD's colour tables."""

from __future__ import annotations

LABELS: dict[str, tuple[str, ...]] = {
    "prf-visualrois": ("V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"),
    "floc-faces": ("OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"),
    "floc-words": ("OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"),
    "floc-places": ("OPA", "PPA", "RSC"),
    "floc-bodies": ("EBA", "FBA-1", "FBA-2", "mTL-bodies"),
    "streams": (
        "early",
        "midventral",
        "midlateral",
        "midparietal",
        "ventral",
        "lateral",
        "parietal",
    ),
    # the first of 180; some names are numbers
    "HCP_MMP1": ("V1", "MST", "V6", "V2", "V3", "V4", "V8", "4", "3b"),
}

# drawn by hand in the volume: no -1, integer files, colour tables among the templates
SUBCORTICAL = {"MTL": ("ERC", "area 35", "area 36", "SUB")}
