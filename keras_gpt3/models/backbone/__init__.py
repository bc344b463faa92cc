"""The forward pass: token ids to hidden states, whole or with a cache.

Read `gpt3_backbone`, then `backbone_forward`.
"""
