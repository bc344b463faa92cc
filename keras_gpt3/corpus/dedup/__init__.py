"""The stage `dedup`: MinHash, bands, exact Jaccard similarity, components.

Read `dedup_stage`, then `dedup_plan`.
"""
