"""Mean scores of regions in each subject, with intervals over test images and tests."""
