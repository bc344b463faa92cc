"""The command line that both clients have."""

import argparse
import json
import sys

from serving_error import ServingError


def run_command(client_class, url, description, arguments=None):
    """Asks a server for what the command line says, and prints the answers.

    Args:
        client_class: a `ServingClient`'s class.
        url: string. Where the server is unless `--url` says so.
        description: string. What the client's module says of itself.
        arguments: list of strings. Defaults to the process's own.

    Returns:
        The exit code: 0, or 1 with one line on standard error.
    """
    given = vars(_parser(url, description).parse_args(arguments))
    command = given.pop("command")
    where = {name: given.pop(name) for name in ("url", "model", "timeout")}
    # A single value is for all rows.
    given = {
        name: value[0] if name in _PER_ROW and len(value) == 1 else value
        for name, value in given.items()
        if value is not None
    }
    try:
        answers = getattr(client_class(**where), command)(**given)
    except (ServingError, ValueError, ImportError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for row in answers:
        sys.stdout.write(json.dumps(row, ensure_ascii=False) + "\n")
    return 0


_PER_ROW = {
    "max_new_tokens": int,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "seed": int,
}


def _parser(url, description):
    parser = argparse.ArgumentParser(
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--url", default=url, help="the server; %(default)s")
    parser.add_argument("--model", default="gpt3", help="its name there")
    parser.add_argument("--timeout", type=float, default=120, help="seconds")
    commands = parser.add_subparsers(dest="command", required=True)

    generate = commands.add_parser("generate", help="what follows prompts")
    generate.add_argument("prompts", nargs="+")
    for name, kind in _PER_ROW.items():
        option = f"--{name.replace('_', '-')}"
        note = "one value, or one for each prompt"
        generate.add_argument(option, type=kind, nargs="+", help=note)
    generate.add_argument("--stop", nargs="+", help="for all prompts")
    generate.add_argument("--truncate", choices=["left"])

    score = commands.add_parser("score", help="how likely continuations are")
    score.add_argument("contexts", metavar="context")
    score.add_argument("continuations", nargs="+")
    score.add_argument("--truncate", choices=["left"])
    return parser
