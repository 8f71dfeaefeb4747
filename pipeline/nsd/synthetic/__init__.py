"""NSD-synthetic: one further session of every subject, with 284 synthetic images."""
