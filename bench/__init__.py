"""The benchmarks: `python -m bench` lists them, README.md explains them, RESULTS.md holds the figures."""
