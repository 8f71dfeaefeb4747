"""Result files: writing, reading, checking and auditing."""
