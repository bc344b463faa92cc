"""Figure 3.1: loss against compute, fitted over runs.

Read `scaling_runs`, `scaling_fit`, then `scaling_report`.
"""
