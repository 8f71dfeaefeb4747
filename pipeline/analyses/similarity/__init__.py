"""Representational similarity: agreement of feature spaces and ROIs on which images are alike."""
