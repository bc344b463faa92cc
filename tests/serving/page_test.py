"""The page, in a real browser against a real server."""

import asyncio
import os
import threading
import time

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient

from keras_gpt3.serving.app import RequestGuard
from keras_gpt3.serving.app import make_app
from keras_gpt3.serving.http_server import HttpServer
from keras_gpt3.serving.http_server import read_body
from keras_gpt3.serving.http_server import unless_gone
from keras_gpt3.serving.json_body import CLIENT_GONE
from keras_gpt3.serving.json_body import RequestError
from keras_gpt3.serving.model_server import ModelServer
from keras_gpt3.serving.serve import listening_socket
from keras_gpt3.serving.server_settings import ServerSettings
from keras_gpt3.serving.slots.slot_engine import SlotEngine
from tests.serving import headless_browser

pytestmark = pytest.mark.slow

# === Page ===


# Counts how often the answer has grown.
COUNT_PIECES = """
window.pieces = 0;
new MutationObserver((changes) => {
  for (const change of changes) window.pieces += change.addedNodes.length;
}).observe(document.querySelector("#answer"), {childList: true});
"""


@pytest.fixture(scope="module")
def server(export_folder):
    """A server in a thread of this process, its model and its address."""
    model = ModelServer(export_folder, ServerSettings(name="small"))
    with listening_socket("127.0.0.1", 0) as listener:
        port = listener.getsockname()[1]
        http = HttpServer(make_app(model), model.settings, "Ready.")
        thread = threading.Thread(target=http.run, args=([listener],))
        thread.start()
        model.url = f"http://127.0.0.1:{port}/"
        yield model
        http.should_exit = True
        thread.join()


def browse(visit, server, folder):
    """Runs what a visitor does on the page."""

    async def main():
        async with headless_browser.open_page(folder) as page:
            await page.open(server.url)
            await page.evaluate(COUNT_PIECES)
            return await visit(page)

    return asyncio.run(main())


def text_of(name):
    return f"document.querySelector('#{name}').textContent"


async def fill_in(page, **fields):
    for name, value in fields.items():
        await page.write(f"#{name}", str(value))


def test_an_answer_comes_in_pieces_and_is_the_signatures(
    server, tmp_path, alone
):
    options = {"max_new_tokens": 30, "temperature": 0.7, "seed": 4}
    expected = alone("the cat", **options)

    async def visit(page):
        await fill_in(page, prompt="the cat", **options)
        await page.click("#generate")
        await page.until(f"{text_of('status')}.includes('tokens after')")
        if "PAGE_SCREENSHOT" in os.environ:
            await page.screenshot(os.environ["PAGE_SCREENSHOT"])
        return [
            await page.evaluate(text)
            for text in (
                text_of("answer"),
                "window.pieces",
                text_of("status"),
                text_of("version"),
                "document.title",
                "document.querySelector('#error').hidden",
            )
        ]

    answer, pieces, status, version, title, no_error = browse(
        visit, server, tmp_path
    )
    assert answer == expected["texts"]
    assert pieces > 2
    assert status.startswith(f"{expected['num_tokens']} tokens after 5, ")
    assert (version, title, no_error) == ("Version 1", "small", True)


def test_what_is_refused_is_shown_and_can_be_mended(server, tmp_path, alone):
    async def visit(page):
        await fill_in(page, prompt="the cat", max_new_tokens=50)
        await page.click("#generate")
        error = await page.until(
            "!document.querySelector('#error').hidden && " + text_of("error")
        )
        await fill_in(page, max_new_tokens=8, stop="e\nth", seed=2)
        await page.click("#generate")
        await page.until(f"{text_of('status')}.includes('tokens after')")
        hidden = await page.evaluate("document.querySelector('#error').hidden")
        return error, hidden, await page.evaluate(text_of("answer"))

    error, hidden, answer = browse(visit, server, tmp_path)
    assert error == (
        "prompt and max_new_tokens must fit the context of 40 tokens. "
        "Received: tokens=55. Shorten the prompt, request fewer tokens, or set "
        "truncate to left."
    )
    assert hidden
    expected = alone("the cat", max_new_tokens=8, stop=["e", "th"], seed=2)
    assert answer == expected["texts"]


def test_stop_ends_the_work_on_the_server_too(server, tmp_path, monkeypatch):
    advance = SlotEngine._advance

    def slowly(engine, rows):
        time.sleep(0.2)
        return advance(engine, rows)

    monkeypatch.setattr(SlotEngine, "_advance", slowly)

    async def visit(page):
        await fill_in(page, prompt="the cat", max_new_tokens=35)
        await page.click("#generate")
        await page.until("window.pieces > 0")
        await page.click("#cancel")
        await page.until(f"{text_of('status')} === 'Stopped.'")
        async with asyncio.timeout(60):
            while server._queue.inside:
                await asyncio.sleep(0.01)
        return await page.evaluate(
            "document.querySelector('#generate').disabled"
        )

    assert browse(visit, server, tmp_path) is False
    text = server.metrics.text()[0].decode()
    assert "keras_gpt3_disconnected_total 1.0" in text


def test_what_the_server_does_is_shown(server, tmp_path):
    async def visit(page):
        await page.until(f"{text_of('slots')} === '0 of 32'")
        await fill_in(page, prompt="the cat", max_new_tokens=8)
        await page.click("#generate")
        await page.until(f"{text_of('first-token')}.endsWith(' s')")
        return [
            await page.evaluate(text_of(name))
            for name in ("waiting", "reused", "accepted")
        ]

    assert browse(visit, server, tmp_path) == ["0", "0 %", "-"]


def test_every_field_has_a_label(server, tmp_path):
    async def visit(page):
        return await page.evaluate(
            "[...document.querySelectorAll('input, textarea')]"
            ".filter((field) => field.labels.length !== 1)"
            ".map((field) => field.id)"
        )

    assert browse(visit, server, tmp_path) == []


def test_a_machine_without_a_browser_is_told_what_to_install(monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(
        FileNotFoundError, match="Install one, such as with apt-get install"
    ):
        headless_browser.find_chromium()


# === Request body ===


def make_request(*chunks, headers=(), gone=False, is_whole=True):
    """A request whose client then waits, or goes away."""
    messages = [
        {"type": "http.request", "body": chunk, "more_body": True}
        for chunk in chunks
    ]
    messages[-1]["more_body"] = not is_whole

    async def receive():
        if messages:
            return messages.pop(0)
        if not gone:
            await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "headers": list(headers)}
    return Request(scope, receive)


def read(request, seconds=60.0):
    return read_body(request, limit=3, seconds=seconds)


def test_a_body_in_chunks_is_read_up_to_the_limit():
    request = make_request(b"ab", b"c", b"")
    assert asyncio.run(read(request)) == b"abc"


@pytest.mark.parametrize(
    "chunks, headers, received",
    [
        ([b"ab", b"cd", b"more"], [], "4 or more"),
        ([b"abcd"], [(b"content-length", b"4")], "4"),
    ],
)
def test_more_is_refused_as_soon_as_it_is_known(chunks, headers, received):
    request = make_request(*chunks, headers=headers)
    message = (
        "^The body must be at most 3 bytes. Received: "
        f"bytes={received}. Split it, or start the server with a higher "
        "--max-body-bytes.$"
    )
    with pytest.raises(RequestError, match=message) as error:
        asyncio.run(read(request))
    assert error.value.status == 413


def test_a_body_that_does_not_end_is_given_up():
    request = make_request(b"ab", is_whole=False)
    message = (
        "^The body must come within 0.01 seconds. Received: bytes=2, and no "
        "end. Send it faster, or start the server with a longer "
        "--receive-timeout.$"
    )
    with pytest.raises(RequestError, match=message) as error:
        asyncio.run(asyncio.wait_for(read(request, seconds=0.01), 30))
    assert error.value.status == 408
    assert error.value.headers == {"Connection": "close"}


def test_a_client_that_breaks_off_has_gone():
    request = make_request(b"ab", is_whole=False, gone=True)
    message = (
        "^The body must come whole. Received: bytes=2, then the end of the "
        "connection. Send it again.$"
    )
    with pytest.raises(RequestError, match=message) as error:
        asyncio.run(read(request))
    assert error.value.status == CLIENT_GONE == 499


def test_the_answer_is_waited_for_while_the_client_is_there():
    async def main():
        request = make_request(b"")
        await read(request)
        return await unless_gone(request, asyncio.sleep(0.01, "answer"))

    assert asyncio.run(main()) == "answer"


def test_an_error_is_the_answers_own():
    async def fail():
        raise RequestError(400, "No.")

    async def main():
        request = make_request(b"")
        await read(request)
        await unless_gone(request, fail())

    with pytest.raises(RequestError, match="^No.$"):
        asyncio.run(main())


def test_nothing_is_worked_on_for_a_client_who_has_gone():
    ended = []

    async def work():
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append(True)

    async def main():
        request = make_request(b"", gone=True)
        await read(request)
        return await unless_gone(request, work())

    assert asyncio.run(main()) is None
    assert ended == [True]


# === Request guard ===


JSON = {"Content-Type": "application/json"}


def status_of(method="GET", headers=None, **names):
    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b""})

    client = TestClient(RequestGuard(app, **names), "http://localhost:8501")
    answer = client.request(method, "/", headers=headers or {})
    if answer.status_code != 200:
        assert "Received: " in answer.json()["error"]
    return answer.status_code


@pytest.mark.parametrize(
    "host, status",
    [
        ("localhost:8501", 200),
        ("127.0.0.1", 200),
        ("[::1]:8501", 200),
        ("10.1.2.3:80", 200),
        ("Known.example:1", 200),
        ("evil.example", 403),
        ("127.0.0.1.evil.example:8501", 403),
        ("", 403),
    ],
)
def test_a_host_is_an_address_or_a_name_that_is_known(host, status):
    headers = {"Host": host}
    assert status_of(headers=headers, allow_hosts=["known.example"]) == status
    assert status_of(headers=headers, allow_hosts=["*"]) == 200


@pytest.mark.parametrize(
    "origin, status",
    [
        ("http://localhost:8501", 200),
        ("https://localhost:8501", 200),
        ("https://known.example", 200),
        ("http://localhost:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_an_origin_is_the_servers_own_or_known(origin, status):
    headers = JSON | {"Origin": origin}
    origins = ["https://known.example"]
    assert status_of("POST", headers, allow_origins=origins) == status
    assert status_of("POST", headers, allow_origins=["*"]) == 200


@pytest.mark.parametrize(
    "kind, status",
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        (None, 415),
    ],
)
def test_a_post_is_json(kind, status):
    headers = {"Content-Type": kind} if kind else {}
    assert status_of("POST", headers) == status
