"""Config in, parameters and memory out: nothing is allocated.

Read `pass_sizes`, `training_memory` and what that calls, `plan`, then
`run_config`. What the runtime decides (blocks, chunks, slots, divisions) is
imported from there.
"""

from keras_gpt3.layers.block_pattern import rematerialized_layers
from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.available_memory import container_memory
from keras_gpt3.planning.available_memory import gpu_memory
from keras_gpt3.planning.describe import ModelDescription
from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.memory import bytes_per_activation
from keras_gpt3.planning.memory import bytes_per_weight
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.memory import format_bytes
from keras_gpt3.planning.memory import parse_bytes
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.pass_sizes import cache_bytes
from keras_gpt3.planning.plan import Plan
from keras_gpt3.planning.plan import plan
from keras_gpt3.planning.preflight import check_fits
from keras_gpt3.planning.preflight import check_training_fits
from keras_gpt3.planning.run_config import proposed_devices
from keras_gpt3.planning.training_job import Links
from keras_gpt3.planning.training_job import recomputation_share
from keras_gpt3.planning.training_memory import estimate_sharded_memory
from keras_gpt3.planning.training_memory import estimate_training_memory

__all__ = [
    "Links",
    "Mesh",
    "ModelDescription",
    "Plan",
    "available_memory",
    "bytes_per_activation",
    "bytes_per_weight",
    "cache_bytes",
    "check_fits",
    "check_training_fits",
    "container_memory",
    "count_parameters",
    "describe",
    "estimate_memory",
    "estimate_sharded_memory",
    "estimate_training_memory",
    "format_bytes",
    "gpu_memory",
    "parse_bytes",
    "plan",
    "proposed_devices",
    "recomputation_share",
    "rematerialized_layers",
]
