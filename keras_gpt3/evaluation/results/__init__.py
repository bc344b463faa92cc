"""Results of tasks: file, tables, plots and report, beside the paper's.

Read `results_table`, `plots`, `aggregate`, `size_plots` and `aggregate_report`,
then `report`, which puts them together, and `results_file`, which reads what it
keeps.
"""
