"""Identification of test images from response patterns predicted by models and other brains."""
