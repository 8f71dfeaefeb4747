"""Scores against the number of training images, and where one model overtakes another."""
