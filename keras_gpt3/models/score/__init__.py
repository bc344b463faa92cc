"""Log-likelihoods of continuations and of tokens.

Read `scoring_causal_lm`, then `continuation_scoring`.
"""
