"""The commands, one per file. Each imports its dependencies when it runs, so that `--help` is instant."""
