"""Tables of the study and the meaning of their columns."""
