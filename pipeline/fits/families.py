"""Families of tests, by name: those among which a false discovery rate is controlled."""

# tests of a map of one subject; written to every file
FAMILY = "voxels of one map of one subject"
# tests of a map over subjects
GROUP_FAMILY = "voxels or vertices of one map"
# tests of the other tables with a q
REGIONS_FAMILY = "all tests of the row's `family` in one variant"
