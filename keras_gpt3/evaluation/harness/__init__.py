"""The model of EleutherAI's lm-evaluation-harness.

Read `harness_registration` (its name there), `harness_arguments`, then
`harness_model`, its three requests, and `harness_tokens`, which answers them.
"""
