"""A real process on a real socket: many clients, good, bad and impatient."""

import asyncio
import builtins
import json
import random
import re
import signal
import socket
import subprocess
import sys
import urllib.parse

import aiohttp
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from keras_gpt3.serving.serve import listening_socket
from keras_gpt3.serving.serve import serve

# === Serve ===


PROMPTS = ("the cat", "a", "Hello, Wörld 12", "the the the", "z? z? z?", "b")
NUM_REQUESTS = 200
# What a second round of the same requests may add to the process: pages that
# the allocator keeps. A batch's cache alone, leaked each time, would be more.
MAX_GROWTH = 16 * 2**20
COMMAND = "import typer; from keras_gpt3.cli.serve import serve_command as f; "


@pytest.fixture(scope="module")
def process(export_folder):
    """The command, and the address that it prints."""
    arguments = [str(export_folder), "--port", "0"]
    with subprocess.Popen(
        [sys.executable, "-c", COMMAND + "typer.run(f)", *arguments],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said = process.stdout.readline()
        found = re.fullmatch(r"Serving gpt3, version 1: (http://\S+)\n", said)
        process.url = found[1]
        yield process
        process.kill()


def make_requests(alone):
    """Requests of all kinds, with what is to be answered."""
    draw = random.Random(0)
    requests = []
    for index in range(NUM_REQUESTS):
        kind = ("bad", "gone", "stream", "many")[index % 20 // 2 % 4]
        if index % 20 >= 8:
            kind = "one"
        rows = [_row(draw) for _ in range(3 if kind == "many" else 1)]
        body = {"instances": rows}
        if kind == "bad":
            rows[0]["temperature"] = -1
        elif kind == "stream":
            body = {"prompt": rows[0]["prompts"]} | rows[0]
            del body["prompts"]
        expected = None
        if kind not in ("bad", "gone"):
            expected = [_expected(alone, row) for row in rows]
        requests.append((kind, body, expected))
    return requests


def _row(draw):
    # Few enough combinations for the answers to be found one by one.
    seed = draw.randrange(4)
    return {
        "prompts": draw.choice(PROMPTS),
        "max_new_tokens": (1, 5, 12, 20)[seed],
        "temperature": (0.0, 1.0, 0.7, 1.5)[seed],
        "seed": seed,
        "stop": ([], ["e"], [], ["a", "th"])[seed],
    }


_ANSWERS = {}


def _expected(alone, row):
    key = json.dumps(row)
    if key not in _ANSWERS:
        options = dict(row)
        _ANSWERS[key] = alone(options.pop("prompts"), **options)
    return _ANSWERS[key]


async def send(session, kind, body):
    """What a client hears: the rows of the answer, or status and error."""
    verb = "stream" if kind == "stream" else "predict"
    path = f"/v1/models/gpt3:{verb}"
    if kind == "gone":
        patience = aiohttp.ClientTimeout(total=0.02)
        try:
            async with session.post(path, json=body, timeout=patience):
                return None
        except TimeoutError:
            return None
    async with session.post(path, json=body) as answer:
        text = await answer.text()
    if answer.status != 200:
        return answer.status, json.loads(text)["error"]
    if kind != "stream":
        return json.loads(text)["predictions"]
    events = [
        json.loads(event.removeprefix("data: "))
        for event in text.strip().split("\n\n")
    ]
    texts = "".join(event["text"] for event in events[:-1])
    return [events[-1] | {"texts": texts}]


async def send_all(url, requests):
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as session:
        return await asyncio.gather(
            *(send(session, kind, body) for kind, body, _ in requests)
        )


@pytest.mark.slow
def test_hundreds_at_once_are_answered_as_each_one_alone(process, alone):
    requests = make_requests(alone)
    memory = []
    for _ in range(3):
        answers = asyncio.run(send_all(process.url, requests))
        memory.append(psutil.Process(process.pid).memory_info().rss)
        for (kind, _, expected), answer in zip(requests, answers, strict=True):
            if kind == "bad":
                assert answer[0] == 400
                assert answer[1].startswith("temperature must be a finite")
            elif kind != "gone":
                assert answer == expected
    assert memory[2] - memory[1] < MAX_GROWTH


HALF = (
    b"POST /v1/models/gpt3:predict HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Content-Type: application/json\r\n"
    b'Content-Length: 100\r\n\r\n{"instances": ['
)


async def _counts(session):
    async with session.get("/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, sample.labels.get("code")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_body_that_breaks_off_is_counted_and_harms_nobody(process, alone):
    address = urllib.parse.urlsplit(process.url)
    address = address.hostname, address.port
    gone = "keras_gpt3_disconnected_total", None
    row = {"prompts": "the cat", "max_new_tokens": 5, "temperature": 0.0}
    expected = [alone("the cat", max_new_tokens=5, temperature=0.0)]

    async def main():
        async with aiohttp.ClientSession(process.url) as session:
            before = (await _counts(session))[gone]
            for _ in range(3):
                _, writer = await asyncio.open_connection(*address)
                writer.write(HALF)
                await writer.drain()
                writer.close()
            assert await send(session, "one", {"instances": [row]}) == expected
            async with asyncio.timeout(30):
                while (await _counts(session))[gone] < before + 3:
                    await asyncio.sleep(0.01)

    asyncio.run(main())


@pytest.mark.slow
def test_a_signal_ends_the_process_when_the_stream_has_ended(process, alone):
    options = {"max_new_tokens": 30, "temperature": 1.0, "seed": 1}

    async def main():
        async with aiohttp.ClientSession(process.url) as session:
            body = {"prompt": "the cat"} | options
            async with session.post("/v1/models/gpt3:stream", json=body) as s:
                first = await s.content.readuntil(b"\n\n")
                process.send_signal(signal.SIGTERM)
                rest = await s.content.read()
        return [
            json.loads(event.removeprefix("data: "))
            for event in (first + rest).decode().strip().split("\n\n")
        ]

    *pieces, last = asyncio.run(main())
    expected = alone("the cat", **options)
    assert "".join(piece["text"] for piece in pieces) == expected["texts"]
    assert last["finish_reason"] == expected["finish_reason"]
    assert process.wait() == 0


STUCK = """
import asyncio, time, typer
from keras_gpt3.cli.serve import serve_command
from keras_gpt3.serving import model_server


class Server:
    version = 1

    def __init__(self, folder, settings):
        self.settings = settings
        while str(folder) == "loads":
            try:
                time.sleep(600)
            except BaseException:  # As TensorFlow does.
                pass

    async def watch(self):
        await asyncio.Event().wait()

    def close(self):  # A batch that runs.
        time.sleep(600)


model_server.ModelServer = Server
typer.run(serve_command)
"""


@pytest.mark.parametrize("when", ["loads", "runs"])
@pytest.mark.slow
def test_an_interrupt_stops_it_at_any_time(when):
    with subprocess.Popen(
        [sys.executable, "-c", STUCK, when, "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that runs tests in the background has them ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        try:
            lines = iter(process.stderr.readline, "")
            assert any(line == f"Loading {when} ...\n" for line in lines)
            if when == "runs":
                assert process.stdout.readline().startswith("Serving gpt3")
                process.send_signal(signal.SIGINT)
                assert any(line.startswith("Stopping when") for line in lines)
            process.send_signal(signal.SIGINT)
            assert process.wait(60) == -signal.SIGINT
        finally:
            process.kill()


def test_a_missing_extra_is_one_sentence(monkeypatch, tmp_path):
    real_import = builtins.__import__

    def without_starlette(name, *arguments):
        if name == "keras_gpt3.serving.app":
            raise ImportError("No module named 'starlette'")
        return real_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", without_starlette)
    message = (
        "The server must find starlette, uvicorn and prometheus_client. "
        "Received: No module named 'starlette'. Install it with pip install "
        "'keras-gpt3[serving]'."
    )
    with pytest.raises(ImportError, match=f"^{re.escape(message)}$"):
        serve(tmp_path)


# === Listening socket ===


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_port_0_is_a_free_one_of_this_machine(host):
    with listening_socket(host, 0) as listener:
        address, port = listener.getsockname()[:2]
        assert address in ("127.0.0.1", "::1")
        listener.listen()
        with socket.create_connection((host, port)):
            pass


def test_a_port_in_use_is_one_sentence():
    with listening_socket("127.0.0.1", 0) as listener:
        listener.listen()
        port = listener.getsockname()[1]
        message = (
            "^host and port must be an address of this machine that is free. "
            rf"Received: 127.0.0.1:{port} \(.*\). Pass another --port, or 0 "
            "for any.$"
        )
        with pytest.raises(OSError, match=message):
            listening_socket("127.0.0.1", port)


def test_no_address_is_one_sentence():
    with pytest.raises(OSError, match="^host and port must be an address"):
        listening_socket("not a host", 0)


@pytest.mark.parametrize("port", [99999, -1])
@pytest.mark.quick_cases(1)
def test_what_is_no_port_is_one_sentence(port):
    message = (
        f"^port must be from 0 to 65535. Received: port={port}. Pass 0 for any "
        "that is free.$"
    )
    with pytest.raises(ValueError, match=message):
        listening_socket("127.0.0.1", port)
