"""The families of public checkpoints that have GPT-3's shape."""

from keras_gpt3.converters.gpt2_family import GPT2Family
from keras_gpt3.converters.gpt_neo_family import GPTNeoFamily
from keras_gpt3.converters.opt_family import OPTFamily
from keras_gpt3.echoed_value import echoed

# The order in which a family is sought for a backbone.
FAMILIES = {
    family.model_type: family
    for family in (GPT2Family(), GPTNeoFamily(), OPTFamily())
}


def family_of(config):
    """Finds the family that a config.json names."""
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in FAMILIES:
        raise ValueError(
            f"model_type in config.json must be one of {sorted(FAMILIES)}. "
            f"Received: model_type={echoed(model_type)}. Only these have the "
            "shape of GPT-3."
        )
    return FAMILIES[model_type]


def family_for(arguments):
    """Finds the first family that can express a backbone."""
    in_the_way = []
    for family in FAMILIES.values():
        obstacles = family.obstacles(arguments)
        if not obstacles:
            return family
        in_the_way.append(
            f"{family.model_type} has no {' or '.join(obstacles)}"
        )
    raise ValueError(
        "A backbone must be one that a class of transformers can compute. "
        f"Received: {'; '.join(in_the_way)}. Save it with save_to_preset."
    )
