"""Families of tests, by name: those among which a false discovery rate is controlled."""

# of a map of one subject; told in every file
FAMILY = "voxels of one map of one subject"
# of a map over subjects
GROUP_FAMILY = "places of one map"
# of the other tables with a q
REGIONS_FAMILY = "all regions of a variant's `family`"
