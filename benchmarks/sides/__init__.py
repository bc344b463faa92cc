"""The programs that the benchmarks compare, each run as its own process."""
