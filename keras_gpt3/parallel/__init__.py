"""How a model is spread over devices.

Read `replicas` (data parallelism on TensorFlow) and `pipeline_stages` with
`step_division`; then, for JAX, `layout_rules`, `layout_map` and
`variable_layouts`.
"""

from keras_gpt3.parallel.replicas import mirrored_strategy
from keras_gpt3.parallel.replicas import pretraining_strategy

__all__ = ["mirrored_strategy", "pretraining_strategy"]
