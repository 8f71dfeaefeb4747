"""Validation against known truth: planted variance, and calibration of intervals and tests."""
