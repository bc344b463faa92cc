"""Dense and banded attention, with or without a cache.

Read `attention_shapes` (which keys are visible) and `attention`, which chooses
among `blocked_attention`, `attention_loop` and, on a GPU, `fused_attention`
with `cudnn_attention`; then `cached_attention`, one position at a time.
"""
