"""What the core knows of a dataset: its images, a subject's responses, regions and anatomy.

Each part is a typed interface with the one function that opens it, which alone knows what dataset a
run has. They are modules of their own because a stage is run again when code that it imports has
changed: a reader of captions changes no response. docs/datasets.md says what a dataset must give.
"""
