"""Reports, figures and progress: one way for all that show something.

Callers say what is shown, as data and labels; how it looks and how it is
written is here. Read `report`, then `figures` and `progress`.
"""
