"""Closed-loop clients of a server: each waits for an answer, then asks again.

    python -m sides.serving_clients JSON

Standard library only: it shares the processors with the server, and must
leave them to it. Reads options as JSON, prints what it saw as JSON.
"""

import asyncio
import collections
import dataclasses
import json
import pathlib
import random
import sys
import time

# What reads as a request that nobody answers.
_GIVE_UP_SECONDS = 600
# What the server's Retry-After says.
_PAUSE_SECONDS = 1
_ROUTES = {
    "predict": "/v1/models/gpt3:predict",
    "stream": "/v1/models/gpt3:stream",
    "completions": "/v1/completions",
    "completions_stream": "/v1/completions",
}
ROUTES = tuple(_ROUTES)


@dataclasses.dataclass
class Seen:
    """What became of one request."""

    begin: float
    end: float
    tokens: int = 0
    first: float | None = None
    # "answered", "lost", or another HTTP status as a string.
    outcome: str = "answered"


async def load(port, route, clients, seconds, warm_up, requests, prompts):
    """Figures of so many clients, of `seconds` after those of `warm_up`."""
    texts = json.loads(pathlib.Path(prompts).read_text("utf-8"))
    begin = time.perf_counter()
    start, end = begin + warm_up, begin + warm_up + seconds
    seen = []

    async def client(number):
        connection = Connection(port)
        for index in range(10**9):
            if time.perf_counter() >= end:
                break
            # The same whatever the others do, and however fast the server.
            seed = number + 1000 * index
            body = body_of(route, texts, seed, requests)
            one = await ask(connection, route, body)
            seen.append(one)
            if one.outcome == "429":
                await asyncio.sleep(_PAUSE_SECONDS)
        await connection.end()

    await asyncio.gather(*(client(number) for number in range(clients)))
    return figures(seen, start, end)


async def short(port, route, seconds, prompts):
    """Figures of requests for 4 tokens, `alone` and `beside` those for 200."""
    texts = json.loads(pathlib.Path(prompts).read_text("utf-8"))
    own, others = Connection(port), Connection(port)
    found, finished = {}, asyncio.Event()

    async def ask_long():
        for seed in range(10**9):
            if finished.is_set():
                break
            options = {"kind": "plain", "new_tokens": (200, 200)}
            one = await ask(others, route, body_of(route, texts, seed, options))
            if one.outcome != "answered":
                raise ValueError(
                    "A request for 200 tokens must be answered. Received: "
                    f"{one.outcome}. See the server's output."
                )

    async def ask_short(name):
        taken, start = [], time.perf_counter()
        end = start + seconds
        while time.perf_counter() < end:
            options = {"kind": "plain", "new_tokens": (4, 4)}
            body = body_of(route, texts, len(taken), options)
            taken.append(await ask(own, route, body))
        found[name] = figures(taken, start, end)
        finished.set()

    await ask_short("warm_up")
    await ask_short("alone")
    finished.clear()
    await asyncio.gather(ask_long(), ask_short("beside"))
    for connection in (own, others):
        await connection.end()
    return {name: found[name] for name in ("alone", "beside")}


def body_of(route, texts, seed, requests):
    """The body of a request: its prompt, length and options by its seed."""
    generator = random.Random(seed)
    text = generator.choice(texts)
    new = generator.randint(*requests["new_tokens"])
    options = {"temperature": 1.0, "seed": seed}
    if requests["kind"] == "mixed":
        # Half of them, and a third of them: a third has neither.
        if generator.random() < 1 / 2:
            options["top_k"] = 40
        if generator.random() < 1 / 3:
            options["top_p"] = 0.9
    if route == "predict":
        row = {"prompts": text, "max_new_tokens": new} | options
        return {"instances": [row]}
    if route == "stream":
        return {"prompt": text, "max_new_tokens": new} | options
    body = {"prompt": text, "max_tokens": new} | options
    if route == "completions_stream":
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


async def ask(connection, route, body):
    """Send a request and read all of its answer."""
    one = Seen(time.perf_counter(), 0.0)
    try:
        async with asyncio.timeout(_GIVE_UP_SECONDS):
            await _exchange(connection, route, body, one)
    # Whatever comes of bytes that are no answer.
    except (OSError, EOFError, ValueError, LookupError) as error:
        one.outcome = "lost"
        print(f"lost: {error!r}", file=sys.stderr)
        connection.close()
    one.end = time.perf_counter()
    return one


async def _exchange(connection, route, body, one):
    status, parts = await connection.post(_ROUTES[route], body)
    whole = b""
    async for part in parts:
        if one.first is None and route.endswith("stream") and b"text" in part:
            one.first = time.perf_counter()
        whole += part
    if status != 200:
        one.outcome = str(status)
    elif route.endswith("stream"):
        one.tokens = _streamed_tokens(whole)
    elif route == "predict":
        (row,) = json.loads(whole)["predictions"]
        one.tokens = row["num_tokens"]
    else:
        one.tokens = json.loads(whole)["usage"]["completion_tokens"]


def _streamed_tokens(whole):
    """The tokens that the last event of a stream counts."""
    events = [
        line.removeprefix("data: ")
        for line in whole.decode().split("\n\n")
        if line and line != "data: [DONE]"
    ]
    last = json.loads(events[-1])
    usage = last.get("usage")
    # The route of OpenAI's form has it; an answer may have 0 tokens.
    return last["num_tokens"] if usage is None else usage["completion_tokens"]


def figures(seen, start, end):
    """Rates of the counted time, quantiles of requests that began in it."""
    counted = [one for one in seen if start <= one.begin < end]
    answered = [one for one in counted if one.outcome == "answered"]
    others = collections.Counter(
        one.outcome for one in counted if one.outcome != "answered"
    )
    inside = [one for one in seen if start <= one.end < end]
    return {
        "tokens_per_second": sum(one.tokens for one in inside) / (end - start),
        "requests": len(counted),
        "answered": len(answered),
        "lost": others.pop("lost", 0),
        "refused": others.pop("429", 0),
        "failed": dict(others),
        "latency_seconds": quantiles([x.end - x.begin for x in answered]),
        "first_token_seconds": quantiles(
            [x.first - x.begin for x in answered if x.first is not None]
        ),
    }


def quantiles(seconds):
    """The median and the 95th percentile, each that of some request."""
    if not seconds:
        return None
    ranked = sorted(seconds)
    return {
        name: round(ranked[min(len(ranked) - 1, int(share * len(ranked)))], 4)
        for name, share in (("p50", 0.5), ("p95", 0.95))
    }


class Connection:
    """A connection that is kept open, as browsers and libraries do."""

    def __init__(self, port):
        self._port = port
        self._writer = None

    async def post(self, path, body):
        """Send a body; return the status and the parts of the answer."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(
                "127.0.0.1", self._port
            )
        content = json.dumps(body).encode()
        self._writer.write(
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
            f"application/json\r\nContent-Length: {len(content)}\r\n\r\n"
            "".encode()
            + content
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        status, *lines = head.decode().lower().split("\r\n")
        fields = dict(line.split(": ", 1) for line in lines if line)
        return int(status.split()[1]), self._parts(fields)

    async def _parts(self, fields):
        if fields.get("transfer-encoding") == "chunked":
            size = None
            while size != 0:
                size = int(await self._reader.readline(), 16)
                part = await self._reader.readexactly(size + len("\r\n"))
                yield part[:size]
        else:
            yield await self._reader.readexactly(int(fields["content-length"]))
        if fields.get("connection") == "close":
            self.close()

    async def end(self):
        """Close it, and wait until it is."""
        writer = self._writer
        self.close()
        if writer is not None:
            await writer.wait_closed()

    def close(self):
        """Close it; the next request opens another."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    command = {"load": load, "short": short}[given.pop("command")]
    print(json.dumps(asyncio.run(command(**given))))
