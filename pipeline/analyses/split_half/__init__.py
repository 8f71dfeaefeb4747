"""Reliability of maps of unique variance, from halves of the test images."""
