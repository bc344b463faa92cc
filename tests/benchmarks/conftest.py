"""Makes the benchmarks' own package importable, as their scripts see it."""

import pathlib
import sys

# Last, so that no script there hides another module.
sys.path.append(str(pathlib.Path(__file__).parents[2] / "benchmarks"))
