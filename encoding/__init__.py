"""Encoding models: ridge regression, scores, variance partitioning and inference on arrays."""
