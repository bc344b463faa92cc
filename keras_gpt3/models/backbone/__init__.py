"""The forward pass: token ids to logits, whole or with a cache.

Read `backbone_forward`, then `gpt3_backbone` and `cached_backbone`.
"""
