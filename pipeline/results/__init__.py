"""Result files: how they are written, read, checked and audited."""
