"""What every stage of a build shares: parts, documents, counts, Beam.

Read `stage`, `part_file` and `document`, then `corpus_pipeline`, which has Beam
run the parts in the processes of `beam_processes`.
"""
