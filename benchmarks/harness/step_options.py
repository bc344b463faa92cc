"""Command line options that several benchmarks share."""

DTYPES = ("float32", "bfloat16")


def add_step_options(parser):
    """Adds the options of the package's training step.

    Args:
        parser: `argparse.ArgumentParser`.
    """
    parser.add_argument(
        "--micro-batch-size", type=int, help="of the package, see compile()"
    )
    parser.add_argument(
        "--rematerialization",
        type=rematerialization,
        default="none",
        help="of the package, see compile(): none, block or a number",
    )


def rematerialization(text):
    """The argument of `compile` from its text.

    Args:
        text: string.

    Returns:
        An int or a string.
    """
    return int(text) if text.isdecimal() else text
