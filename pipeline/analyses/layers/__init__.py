"""Layers of one network, each fitted alone: scores per ROI, and every voxel's preferred layer."""
