"""Estimates of what a study will need: disk, time and memory of its jobs."""
