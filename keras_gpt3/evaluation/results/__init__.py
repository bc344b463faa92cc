"""Results of tasks: file, tables, plots and report, beside the paper's."""
