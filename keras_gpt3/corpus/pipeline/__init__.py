"""What every stage of a build shares: parts, documents, counts, Beam.

Read `stage`, then `run_parts`.
"""
