"""Results of tasks: file, tables, plots and report, beside the paper's.

Read `results_file` (what is kept), `results_table`, `plots`, then `report`,
which puts them together.
"""
