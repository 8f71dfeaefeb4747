"""How feature spaces and ROIs agree on which images are alike."""
