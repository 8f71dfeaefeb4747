"""Pages of the report, as HTML."""
