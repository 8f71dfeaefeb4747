"""Fitted encoding models as files, and their predictions for new images and captions."""
