"""Few-shot evaluation: demonstrations, prompts, scores and their cache.

Read `evaluate`, then `question` and `example_scoring`.
"""
