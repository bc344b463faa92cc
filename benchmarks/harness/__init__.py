"""What the benchmarks share: processes, measurements, arithmetic."""
