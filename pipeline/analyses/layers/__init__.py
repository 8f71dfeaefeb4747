"""Layers of one network, each fitted alone: scores per ROI and each voxel's preferred layer."""
