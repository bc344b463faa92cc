"""The names that the profiler gives to operations, made plain."""

import re


def plain_name(name):
    """A name without what TensorFlow's rewriting of graphs added to it.

    Args:
        name: string. As the profiler gives it.

    Returns:
        A string. Operations of a loop's body have `body/` before theirs.
    """
    name = name.replace("StatefulPartitionedCall/", "")
    name = re.sub(r"ArithmeticOptimizer/[A-Za-z]+_", "", name)
    return re.sub(r"^.*/(body|cond)/_\d+/", "body/", name)


def function_of_module(module):
    """The function that became an XLA module.

    Args:
        module: string, such as `"a_inference__weights_769__.68"`.

    Returns:
        A string, such as `"__inference__weights_769"`.
    """
    return "_" + re.sub(r"^a(?=_)|__\.\d+$", "", module)


def readable_name(name, kind):
    """A name without the numbers of layers and repetitions.

    Args:
        name: string. As the profiler gives it.
        kind: string. The operation's type; `"XLA"` for a module.

    Returns:
        A string.
    """
    if kind == "XLA":
        name = function_of_module(name)
        name = re.sub(r"^__(inference|forward)_|(_\d+)+$", "", name)
    else:
        name = re.sub(r"_\d+(?=[/_]|$)", "", plain_name(name))
        name = re.sub(r"gpt3(_backbone)?/", "", name)
    return f"{name} ({kind})"
