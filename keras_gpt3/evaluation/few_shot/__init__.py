"""Few-shot evaluation: demonstrations, prompts, scores and their cache.

Read `evaluate`, then `question`; examples are scored by `choice_scoring` and
`generated_answers`.
"""
