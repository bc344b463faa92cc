"""The sampling options of a request, by name."""

from keras_gpt3.generation.logit_bias import check_logit_bias
from keras_gpt3.generation.sampling_settings import SETTING_RANGES
from keras_gpt3.generation.sampling_settings import check_sampling_number
from keras_gpt3.generation.sampling_settings import check_seed
from keras_gpt3.integer_argument import check_integer

SAMPLING_OPTIONS = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "seed",
)


def check_sampling_options(options):
    """Raises unless options are known and their values allowed."""
    unknown = sorted(set(options) - set(SAMPLING_OPTIONS))
    if unknown:
        raise ValueError(
            f"Sampling options must be among {', '.join(SAMPLING_OPTIONS)}. "
            f"Received: {', '.join(unknown)}. Check the spelling."
        )
    return {name: _checked(name, value) for name, value in options.items()}


def _checked(name, value):
    if name in SETTING_RANGES:
        return check_sampling_number(name, value)
    if name == "seed":
        return None if value is None else check_seed(value)
    if name == "logit_bias":
        return check_logit_bias(value)
    check_integer(name, value, minimum=0)
    return int(value)
