"""Number of subjects in whom a region's mean score is significant."""
