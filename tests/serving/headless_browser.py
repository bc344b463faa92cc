"""Chromium without a window, driven over its DevTools protocol."""

import asyncio
import base64
import contextlib
import itertools
import json
import pathlib
import shutil
import subprocess

import aiohttp

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
    "--window-size=900,1150",
)


def find_chromium():
    """The browser's path.

    Raises:
        FileNotFoundError: If there is none: a test of the page needs one.
    """
    for name in NAMES:
        path = shutil.which(name)
        if path:
            return path
    raise FileNotFoundError(
        f"The test of the page needs one of {', '.join(NAMES)}. Received: none "
        "of them on the PATH. Install one, such as with apt-get install "
        "chromium."
    )


class Page:
    """A page of the browser."""

    def __init__(self, socket):
        self._socket = socket
        self._numbers = itertools.count(1)

    async def command(self, method, **parameters):
        """Sends a command of the protocol, and gives its result."""
        number = next(self._numbers)
        await self._socket.send_json(
            {"id": number, "method": method, "params": parameters}
        )
        while True:
            # Between them come events, which nobody here looks at.
            message = await self._socket.receive_json()
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                return message["result"]

    async def evaluate(self, expression):
        """The value of an expression on the page."""
        result = await self.command(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        if "exceptionDetails" in result:
            raise RuntimeError(f"{expression}: {result['exceptionDetails']}")
        return result["result"].get("value")

    async def until(self, expression, seconds=60):
        """Waits until an expression is true, and gives its value."""
        async with asyncio.timeout(seconds):
            while True:
                value = await self.evaluate(expression)
                if value:
                    return value
                await asyncio.sleep(0.02)

    async def open(self, url):
        await self.command("Page.navigate", url=url)
        await self.until(
            f"location.href === {json.dumps(url)} && "
            "document.readyState === 'complete'"
        )

    async def write(self, selector, text):
        """Puts text into a field as a keyboard does, in place of its own."""
        await self.evaluate(
            f"document.querySelector({json.dumps(selector)}).select()"
        )
        await self.command("Input.insertText", text=text)

    async def click(self, selector):
        """Presses the mouse where an element is."""
        place = await self.evaluate(
            "(() => { const e = document.querySelector("
            f"{json.dumps(selector)}); e.scrollIntoView(); "
            "const r = e.getBoundingClientRect(); "
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for kind in ("mousePressed", "mouseReleased"):
            await self.command(
                "Input.dispatchMouseEvent",
                type=kind,
                x=place[0],
                y=place[1],
                button="left",
                clickCount=1,
            )

    async def screenshot(self, path):
        """Writes a picture of the page."""
        picture = await self.command("Page.captureScreenshot")
        pathlib.Path(path).write_bytes(base64.b64decode(picture["data"]))


@contextlib.asynccontextmanager
async def open_page(folder):
    """Starts a browser with a fresh profile, and gives its `Page`."""
    profile = pathlib.Path(folder) / "profile"
    with subprocess.Popen(
        [find_chromium(), *FLAGS, f"--user-data-dir={profile}", "about:blank"],
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            port = await _port(profile / "DevToolsActivePort", process)
            async with aiohttp.ClientSession() as session:
                async with session.get(
                    f"http://127.0.0.1:{port}/json"
                ) as list_:
                    targets = await list_.json()
                (url,) = [
                    target["webSocketDebuggerUrl"]
                    for target in targets
                    if target["type"] == "page"
                ]
                async with session.ws_connect(url, max_msg_size=0) as socket:
                    yield Page(socket)
        finally:
            process.terminate()


async def _port(file, process):
    """The port, which the browser writes to a file when it is ready."""
    async with asyncio.timeout(60):
        while process.poll() is None:
            if file.exists() and "\n" in file.read_text():
                return int(file.read_text().splitlines()[0])
            await asyncio.sleep(0.02)
    raise RuntimeError(f"{process.args[0]} ended with {process.returncode}.")
