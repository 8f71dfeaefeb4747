"""Unique and shared variance as shares of the noise ceiling."""
