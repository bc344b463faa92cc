"""The benchmark's clients, against a server whose answers are known."""

import asyncio
import collections
import json

import pytest
from sides import serving_clients
from sides.serving_clients import Seen
from sides.serving_clients import body_of
from sides.serving_clients import figures
from sides.serving_clients import load
from sides.serving_clients import short

PLAIN = {"kind": "plain", "new_tokens": (2, 5)}


def answer(status, body, close=False):
    head = f"HTTP/1.1 {status} Any\r\ncontent-length: {len(body)}\r\n"
    head += "connection: close\r\n" if close else ""
    return f"{head}\r\n{body}".encode()


def chunked(*events):
    parts = [f"data: {event}\n\n" for event in events]
    body = "".join(f"{len(part):x}\r\n{part}\r\n" for part in parts)
    head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    return f"{head}{body}0\r\n\r\n".encode()


async def seen_by_clients(tmp_path, respond, command, **options):
    """What clients see of a server that answers by a function of the body."""
    prompts = tmp_path / "prompts.json"
    prompts.write_text(json.dumps(["a", "b"]))

    async def serve(reader, writer):
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                size = int(head.split("content-length: ")[1].split("\r\n")[0])
                body = json.loads(await reader.readexactly(size))
                await asyncio.sleep(0.01)
                content = respond(body)
                writer.write(content)
                if not content or b"connection: close" in content:
                    break
        except asyncio.IncompleteReadError:
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        seen = await command(port, prompts=str(prompts), **options)
        # The server's ends of the connections are closed as well.
        await asyncio.sleep(0.02)
        return seen


def loaded(tmp_path, respond, route):
    options = {"clients": 1, "seconds": 0.2, "warm_up": 0.0}
    options |= {"requests": PLAIN, "route": route}
    return seen_by_clients(tmp_path, respond, load, **options)


@pytest.mark.parametrize(
    ("route", "content"),
    [
        ("predict", answer(200, '{"predictions": [{"num_tokens": 4}]}')),
        ("completions", answer(200, '{"usage": {"completion_tokens": 4}}')),
        ("stream", chunked('{"text": "a"}', '{"num_tokens": 4}')),
        (
            "completions_stream",
            chunked(
                '{"choices": [{"text": "a"}]}',
                '{"usage": {"completion_tokens": 4}}',
                "[DONE]",
            ),
        ),
    ],
    ids=["predict", "completions", "stream", "completions_stream"],
)
def test_tokens_are_counted_on_each_route(tmp_path, route, content):
    seen = asyncio.run(loaded(tmp_path, lambda body: content, route))
    assert seen["requests"] == seen["answered"] > 3
    # The last of them may end after the time that is counted.
    tokens = round(seen["tokens_per_second"] * 0.2)
    assert tokens in (4 * seen["answered"], 4 * seen["answered"] - 4)
    assert bool(seen["first_token_seconds"]) == route.endswith("stream")


def test_a_stream_of_no_tokens_is_answered(tmp_path):
    usage = '{"choices": [], "usage": {"completion_tokens": 0}}'
    content = chunked(usage, "[DONE]")
    seen = asyncio.run(
        loaded(tmp_path, lambda body: content, "completions_stream")
    )
    assert seen["requests"] == seen["answered"] > 3
    assert (seen["lost"], seen["tokens_per_second"]) == (0, 0)


def test_what_is_refused_fails_or_is_lost_is_told_apart(tmp_path, monkeypatch):
    # After 429 a client waits, here until the time is over.
    monkeypatch.setattr(serving_clients, "_PAUSE_SECONDS", 0.3)
    outcomes = collections.deque(
        [answer(500, "{}", close=True), b"", answer(429, "{}")]
    )

    def respond(body):
        return outcomes.popleft()

    seen = asyncio.run(loaded(tmp_path, respond, "predict"))
    assert (seen["requests"], seen["answered"]) == (3, 0)
    assert (seen["lost"], seen["refused"]) == (1, 1)
    assert seen["failed"] == {"500": 1}


def test_short_requests_are_timed_beside_long_ones(tmp_path):
    lengths = []

    def respond(body):
        lengths.append(body["max_tokens"])
        content = {"usage": {"completion_tokens": body["max_tokens"]}}
        return answer(200, json.dumps(content))

    options = {"route": "completions", "seconds": 0.1}
    seen = asyncio.run(seen_by_clients(tmp_path, respond, short, **options))
    assert set(seen) == {"alone", "beside"}
    assert set(lengths) == {4, 200}
    assert min(x["answered"] for x in seen.values()) > 1
    first = lengths.index(200)
    assert lengths[:first] == [4] * first


def test_requests_are_mixed_by_their_seeds():
    requests = {"kind": "mixed", "new_tokens": (20, 100)}
    bodies = [body_of("stream", ["a"], seed, requests) for seed in range(600)]
    assert bodies[7] == body_of("stream", ["a"], 7, requests)
    top_k = sum("top_k" in body for body in bodies)
    top_p = sum("top_p" in body for body in bodies)
    assert top_k == pytest.approx(300, abs=60)
    assert top_p == pytest.approx(200, abs=60)
    lengths = {body["max_new_tokens"] for body in bodies}
    assert (min(lengths), max(lengths)) == (20, 100)


def test_rates_count_what_ended_and_times_what_began_in_time():
    seen = [
        Seen(begin=0.0, end=1.5, tokens=10),  # Warm-up, but ended in time.
        Seen(begin=1.0, end=2.0, tokens=20, first=1.25),
        Seen(begin=2.0, end=4.0, tokens=40, first=2.5),  # Ended after it.
    ]
    found = figures(seen, start=1.0, end=3.0)
    assert found["tokens_per_second"] == 15
    assert found["requests"] == 2
    assert found["latency_seconds"] == {"p50": 2.0, "p95": 2.0}
    assert found["first_token_seconds"] == {"p50": 0.5, "p95": 0.5}
    assert serving_clients.quantiles([]) is None
