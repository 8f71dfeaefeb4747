"""Families of tests, by name: those among which a false discovery rate is controlled."""

# tests of a map of one subject; written to every file
FAMILY = "voxels of one map of one subject"
# tests of a map over subjects
GROUP_FAMILY = "places of one map"
# tests of the other tables with a q
REGIONS_FAMILY = "all regions of a variant's `family`"
