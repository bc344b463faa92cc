"""The prompts and lists of the bias probes, shipped as data."""

import functools
import importlib.resources

from keras_gpt3.needed_packages import needed_packages


@functools.cache
def bias_data(name):
    """Reads one of the shipped files."""
    need = "The prompts of the bias probes must be read with PyYAML"
    with needed_packages(need, "evaluate"):
        import yaml
    folder = importlib.resources.files("keras_gpt3.evaluation") / "bias"
    return yaml.safe_load((folder / f"{name}.yaml").read_text("utf-8"))
