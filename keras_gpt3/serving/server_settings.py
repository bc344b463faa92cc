"""Settings of a server: its limits, and the model's name."""

import dataclasses

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import check_number
from keras_gpt3.argument_checks import echoed
from keras_gpt3.export.serving_bundle import check_served_as


@dataclasses.dataclass(frozen=True)
class ServerSettings:
    """The limits of a server.

    Args:
        name: string. The model's name in the paths. Defaults to `"gpt3"`.
        max_slots: int. The most prompts that are continued at a time. Defaults
            to `32`.
        max_cache_bytes: int. The most bytes of their keys and values: slots
            times the length of the longest, where there are several. Defaults
            to 2 GiB.
        max_prefix_bytes: int. The most bytes of keys and values that are kept
            of prompts, so that a shared beginning is read once; 0 keeps none.
            Defaults to 256 MiB.
        speculative: string. `"prompt"` drafts the next tokens of an answer from
            what followed the same tokens earlier, and checks several at a
            time: answers stay the same. Defaults to `None`.
        draft: path. An export of a smaller model of the same vocabulary, which
            drafts tokens in its place: the newest version of a folder, as of
            each load of the model. Defaults to `None`.
        max_batch_size: int. The most rows of one request, and of a batch of
            `score`. Defaults to `8`.
        batch_timeout_ms: float. How long a request to `score` waits for others
            to share its batch. Defaults to `5.0`.
        max_batch_tokens: int. The most tokens of a batch of `score` of several
            requests: its rows times its longest. Defaults to `16384`.
        max_new_tokens: int. The most new tokens that a prompt may request, or
            `None` for as many as the context holds. Defaults to `None`.
        request_timeout: float. Seconds after which a request fails. Defaults
            to `60.0`.
        receive_timeout: float. Seconds that a client has to send a request's
            head, then its body, and to read some of the answer. Defaults to
            `20.0`.
        max_connections: int. The most connections, and at most half of the
            files that the process may open; a request on one more is answered
            with 503. Defaults to `512`.
        max_body_bytes: int. The longest body of a request. Defaults to 1 MiB.
        max_queue: int. The most prompts that wait or run at a time. Defaults
            to `1024`.
        max_stop_strings: int. The most stop strings of a prompt: each is
            searched for at every token. Defaults to `16`.
        max_stop_bytes: int. The longest stop string, in UTF-8. Defaults to
            `256`.
        max_answer_values: int. The most numbers and strings of an answer.
            Defaults to `4000000`.
        allow_hosts: tuple of strings. Names that requests may have as `Host`
            besides addresses and `localhost`; `"*"` is any. Defaults to `()`.
        allow_origins: tuple of strings. Origins of web pages that may send
            requests, such as `"https://example.com"`, besides the server's
            own; `"*"` is any. Defaults to `()`.
        max_version_loads: int. The most versions that are loaded in the life
            of the server: TensorFlow keeps some memory of each, about that of
            the graphs. Defaults to `16`.
        watch_seconds: float. Seconds between checks of a base folder for a
            newer version. Defaults to `5.0`.

    Raises:
        ValueError: If a number is out of its range, or the name has
            characters that a path cannot have.

    Example:

    ```python
    from keras_gpt3.serving import ServerSettings

    ServerSettings(max_batch_size=4, max_new_tokens=256)
    ```
    """

    name: str = "gpt3"
    max_slots: int = 32
    max_cache_bytes: int = 2**31
    max_prefix_bytes: int = 2**28
    speculative: str | None = None
    draft: str | None = None
    max_batch_size: int = 8
    batch_timeout_ms: float = 5.0
    max_batch_tokens: int = 16384
    max_new_tokens: int | None = None
    request_timeout: float = 60.0
    receive_timeout: float = 20.0
    max_connections: int = 512
    max_body_bytes: int = 2**20
    max_queue: int = 1024
    max_stop_strings: int = 16
    max_stop_bytes: int = 256
    max_answer_values: int = 4_000_000
    allow_hosts: tuple = ()
    allow_origins: tuple = ()
    max_version_loads: int = 16
    watch_seconds: float = 5.0

    def __post_init__(self):
        # The name must be one that TensorFlow Serving accepts as well.
        check_served_as(self.name, base_path=None)
        if self.speculative not in (None, "prompt"):
            raise ValueError(
                'speculative must be "prompt" or None. Received: speculative='
                f"{echoed(self.speculative)}. Leave it out for no drafts."
            )
        if self.speculative and self.draft:
            raise ValueError(
                "Only one of speculative and draft may be given. Received: "
                f"speculative={echoed(self.speculative)}, draft="
                f"{echoed(str(self.draft))}. Leave one out."
            )
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type in (int, int | None) and value is not None:
                least = 0 if field.name == "max_prefix_bytes" else 1
                check_integer(field.name, value, minimum=least)
            # 0 has each request run at once.
            elif field.name == "batch_timeout_ms":
                check_number(
                    field.name, value, "Pass 0 or more.", "of at least 0"
                )
            elif field.type is float:
                check_number(field.name, value, "Pass more.", "above 0")
