"""Few-shot evaluation: demonstrations, prompts, scores and their cache.

Read `evaluate` and `evaluation_set`, then `question` and `example_scoring`.
"""
