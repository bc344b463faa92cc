"""Few-shot evaluation: demonstrations, prompts, scores and their cache.

Read `evaluate` and `evaluation_set`, then `question`,
`example_scoring` and `rolling_text`.
"""
