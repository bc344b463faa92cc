"""The page, in a real browser against a real server."""

import asyncio
import os
import threading
import time

import pytest

from keras_gpt3.serving.app import make_app
from keras_gpt3.serving.http_server import HttpServer
from keras_gpt3.serving.model_server import ModelServer
from keras_gpt3.serving.serve import listening_socket
from keras_gpt3.serving.served_model import TextStream
from keras_gpt3.serving.server_settings import ServerSettings
from tests.serving import headless_browser

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
        "Received: tokens=55. Shorten the prompt, ask for fewer tokens, or set "
        "truncate to left."
    )
    assert hidden
    expected = alone("the cat", max_new_tokens=8, stop=["e", "th"], seed=2)
    assert answer == expected["texts"]


def test_stop_ends_the_work_on_the_server_too(server, tmp_path, monkeypatch):
    advance = TextStream.advance

    def slowly(stream):
        time.sleep(0.2)
        return advance(stream)

    monkeypatch.setattr(TextStream, "advance", slowly)

    async def visit(page):
        await fill_in(page, prompt="the cat", max_new_tokens=35)
        await page.click("#generate")
        await page.until("window.pieces > 0")
        await page.click("#cancel")
        await page.until(f"{text_of('status')} === 'Stopped.'")
        async with asyncio.timeout(60):
            while server._streams.inside:
                await asyncio.sleep(0.01)
        return await page.evaluate(
            "document.querySelector('#generate').disabled"
        )

    assert browse(visit, server, tmp_path) is False
    text = server.metrics.text()[0].decode()
    assert "keras_gpt3_disconnected_total 1.0" in text


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
