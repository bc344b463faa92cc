"""Reads a body up to a limit, and notices a client that goes away."""

import asyncio

from starlette.requests import ClientDisconnect

from keras_gpt3.serving.request_error import CLIENT_GONE
from keras_gpt3.serving.request_error import RequestError


async def read_body(request, limit, seconds):
    """Reads the body of a request."""
    said = request.headers.get("content-length", "0")
    if said.isdecimal() and int(said) > limit:
        raise _too_long(said, limit)
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit:
                    raise _too_long(f"{len(body)} or more", limit)
    except TimeoutError:
        raise _too_slow(len(body), seconds) from None
    except ClientDisconnect:
        raise RequestError(
            CLIENT_GONE,
            f"The body must come whole. Received: bytes={len(body)}, then the "
            "end of the connection. Send it again.",
        ) from None
    return bytes(body)


async def unless_gone(request, work):
    """Waits for an answer as long as the client does."""
    answer = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        return answer.result() if answer.done() else None
    finally:
        for task in (answer, gone):
            task.cancel()
        # Cancelled, it still has to leave what it was counted in.
        await asyncio.gather(answer, gone, return_exceptions=True)


async def _disconnected(request):
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _too_slow(received, seconds):
    return RequestError(
        408,
        f"The body must come within {seconds:g} seconds. Received: "
        f"bytes={received}, and no end. Send it faster, or start the server "
        "with a longer --receive-timeout.",
        # What may still come of it is no request.
        headers={"Connection": "close"},
    )


def _too_long(received, limit):
    return RequestError(
        413,
        f"The body must be at most {limit} bytes. Received: bytes={received}. "
        "Split it, or start the server with a higher --max-body-bytes.",
    )
