"""What to ask an exported GPT-3, whichever way the request travels."""

import abc

# The export's own. A request names all inputs all the same: TensorFlow
# Serving's REST interface knows no defaults, and its batching refuses any
# input that is not one value for each row.
GENERATE_DEFAULTS = {
    "max_new_tokens": 64,
    "temperature": 1.0,
    "top_k": 0,
    "top_p": 1.0,
    "seed": -1,
    "truncate": "",
}


class ServingClient(abc.ABC):
    """Generates and scores by a model server.

    Args:
        url: string. Where the server is.
        model: string. The name that it serves the model under.
        timeout: number. Seconds to wait for an answer.
    """

    def __init__(self, url, model="gpt3", timeout=120):
        self.url = url.rstrip("/")
        self.model = model
        self.timeout = timeout

    @abc.abstractmethod
    def predict(self, signature, columns):
        """Requests one signature.

        Args:
            signature: string. Its name.
            columns: dict of input name to list, a value for each row.

        Returns:
            A list of dicts, one a row, of output name to value.

        Raises:
            ServingError: If there is no answer.
        """

    def generate(self, prompts, stop=(), **options):
        """Requests what follows prompts.

        Args:
            prompts: list of strings.
            stop: string, list of strings for all prompts, or a list of such
                lists, one for each prompt. What ends an answer.
            **options: `max_new_tokens`, `temperature`, `top_k`, `top_p`,
                `seed`, `truncate`: a value for all prompts or a list, one for
                each. What is left out has the export's default.

        Returns:
            A list of dicts of `texts`, `num_tokens`, `num_prompt_tokens` and
            `finish_reason`.

        Raises:
            ServingError: If there is no answer.
            ValueError: If an option is unknown or does not fit the prompts.
        """
        rows = len(prompts)
        unknown = sorted(set(options) - set(GENERATE_DEFAULTS))
        if unknown:
            raise ValueError(
                f"Options must be among {', '.join(GENERATE_DEFAULTS)}. "
                f"Received: {unknown[0]}={options[unknown[0]]!r}. Leave it out."
            )
        columns = {"prompts": list(prompts), "stop": _stop_column(stop, rows)}
        for name, value in (GENERATE_DEFAULTS | options).items():
            columns[name] = _column(name, value, rows)
        return self.predict("generate", columns)

    def score(self, contexts, continuations, truncate=""):
        """Asks how likely continuations are.

        Args:
            contexts: string for all continuations, or list, one for each.
            continuations: list of strings.
            truncate: string. `"left"` drops the first tokens of a context
                that is too long. Defaults to `""`, which refuses it.

        Returns:
            A list of dicts of `log_likelihood`, `is_greedy` and `num_tokens`.

        Raises:
            ServingError: If there is no answer.
            ValueError: If the two do not go together.
        """
        rows = len(continuations)
        columns = {
            "contexts": _column("contexts", contexts, rows),
            "continuations": list(continuations),
            "truncate": _column("truncate", truncate, rows),
        }
        return self.predict("score", columns)


def _column(name, value, rows):
    """A value for each row."""
    if not isinstance(value, list | tuple):
        return [value] * rows
    if len(value) != rows:
        raise ValueError(
            f"{name} must be one value, or one for each of {rows} rows. "
            f"Received: {name}={value!r}. Repeat or drop some."
        )
    return list(value)


def _stop_column(stop, rows):
    """Stop strings of each row, as wide as the longest list of them.

    The first of each is empty, which stops nothing. Where requests share a
    batch, TensorFlow Serving fills the shorter lists with the very first
    string of their request: another row would stop at it.
    """
    if isinstance(stop, str):
        stop = [stop]
    if all(isinstance(each, str) for each in stop):
        stop = [stop] * rows
    lists = _column("stop", list(stop), rows)
    width = max(map(len, lists), default=0)
    return [["", *each] + [""] * (width - len(each)) for each in lists]
