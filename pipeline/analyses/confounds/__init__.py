"""Attributes in which the feature spaces of a comparison differ, or do not."""
