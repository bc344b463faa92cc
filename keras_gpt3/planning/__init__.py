"""Config in, parameters and memory out: nothing is allocated."""

from keras_gpt3.planning.available_memory import available_memory
from keras_gpt3.planning.byte_size import format_bytes
from keras_gpt3.planning.container_memory import container_memory
from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.dtype_bytes import bytes_per_weight
from keras_gpt3.planning.gpu_memory import gpu_memory
from keras_gpt3.planning.memory import estimate_memory
from keras_gpt3.planning.model_description import ModelDescription
from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.planning.preflight import check_fits

__all__ = [
    "ModelDescription",
    "available_memory",
    "bytes_per_weight",
    "check_fits",
    "container_memory",
    "count_parameters",
    "describe",
    "estimate_memory",
    "format_bytes",
    "gpu_memory",
]
