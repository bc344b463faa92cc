"""The stage `dedup`: MinHash, bands, exact Jaccard similarity, components.

Read `dedup_stage`, then `dedup_plan`. `min_hash` and `lsh_bands` find what may
be near-duplicates, `duplicate_pairs` computes whether they are.
"""
