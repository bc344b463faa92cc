"""Few-shot evaluation: demonstrations, prompts, answers and their cache.

Read `evaluate`, then `evaluation_run` and `asking`.
"""
