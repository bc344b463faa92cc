"""Few-shot evaluation: demonstrations, prompts, scores and their cache.

Read `evaluate`, then `evaluation_run` and `score_examples`.
"""
