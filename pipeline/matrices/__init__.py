"""A dataset of plain matrices: any responses, with any images or features (docs/datasets.md)."""
