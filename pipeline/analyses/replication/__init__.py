"""In how many subjects a region's mean score is significant."""
