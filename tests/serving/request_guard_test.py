import pytest
from starlette.testclient import TestClient

from keras_gpt3.serving.app import RequestGuard

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
