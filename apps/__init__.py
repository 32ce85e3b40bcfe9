"""The commands: composition of the library, and nothing else."""
