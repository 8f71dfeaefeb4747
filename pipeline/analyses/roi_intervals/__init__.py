"""Means of regions in each subject: intervals over test images, and differences of models."""
