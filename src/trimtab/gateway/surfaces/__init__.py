"""The wire formats clients speak, one file each."""
