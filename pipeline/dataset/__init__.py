"""Interface to a dataset: its images, and each subject's responses, regions and anatomy.

Each part is a typed class with one function that opens it; only this function knows which dataset a
run uses. The parts are separate modules because a stage is run again when code that it imports has
changed: an edited reader of captions must not recompute responses. docs/datasets.md lists what a
dataset must provide.
"""
