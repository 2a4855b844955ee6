"""What the benchmark's commands share; see ../README.md."""
