"""Low-rank adapters: which weights they change, their files, merging."""
