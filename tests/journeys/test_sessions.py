"""A notebook as a job: opened once by who started it, worked in, ended when nobody computes."""

import asyncio
import json
import time
import uuid
from collections.abc import Callable

import aiohttp
import httpx
import pytest

from uzina.root.demo import HOST, Factory, free_port

pytestmark = pytest.mark.timeout(600)


class Portal:
    """The API as the project's lead."""

    def __init__(self, factory: Factory, token: str) -> None:
        self.client = httpx.Client(
            base_url=f"{factory.url}/api/v1/compute",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    def post(self, path: str, body: dict | None = None) -> httpx.Response:
        return self.client.post(
            path, json=body or {}, headers={"Idempotency-Key": uuid.uuid4().hex}
        )

    def job(self, code: str) -> dict:
        return self.client.get(f"/jobs/{code}").raise_for_status().json()

    def wait(self, code: str, what: Callable[[dict], bool]) -> dict:
        until = time.monotonic() + 240
        while not what(job := self.job(code)):
            assert time.monotonic() < until, job
            time.sleep(0.3)
        return job


@pytest.fixture
def open_factory(make_factory, awarded):
    """Return a served factory with notebooks, and its portal as the lead sees it."""
    port = free_port(0)
    url = f"http://{HOST}:{port}"
    factory = make_factory({"session": {"host": HOST, "port": port, "url": url}})
    facts = awarded(factory)
    factory.start()
    portal = Portal(factory, facts["token"])

    def start(path: str, **asked) -> str:
        answer = portal.post(path, {"project": facts["project"]} | asked)
        assert answer.status_code == 201, answer.text
        return answer.json()["code"]

    with portal.client:
        yield portal, start, url
    factory.stop()


def ticket(portal: Portal, code: str) -> str:
    """Return the address that opens a session once, as soon as its notebook answers."""
    until = time.monotonic() + 240
    while True:
        answer = portal.post(f"/jobs/{code}/open")
        if answer.status_code == 200:
            return answer.json()["url"]
        assert answer.json()["code"] in {"session.open.not_ready", "session.open.not_running"}
        assert time.monotonic() < until, portal.job(code)
        time.sleep(0.3)


async def computed(client: aiohttp.ClientSession, base: str, line: str) -> str:
    """Run a line of Python in a new kernel through the proxy and return what it printed."""
    async with client.post(f"{base}/api/kernels", json={"name": "python3"}) as answer:
        assert answer.status == 201, await answer.text()
        kernel = (await answer.json())["id"]
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request", "version": "5.3"}
    request = {
        "header": header | {"username": "", "session": uuid.uuid4().hex, "date": ""},
        "parent_header": {},
        "metadata": {},
        "content": {"code": line, "silent": False, "store_history": False},
        "channel": "shell",
        "buffers": [],
    }
    async with client.ws_connect(f"{base}/api/kernels/{kernel}/channels") as channel:
        await channel.send_str(json.dumps(request))
        async with asyncio.timeout(120):
            async for message in channel:
                said = json.loads(message.data)
                is_ours = said["parent_header"].get("msg_id") == header["msg_id"]
                if is_ours and said["msg_type"] == "stream":
                    return said["content"]["text"]
    msg = "the kernel said nothing"
    raise AssertionError(msg)


async def visit(address: str, url: str, code: str) -> str:
    """Open a notebook as a browser would, compute in it, and try what must not work."""
    base = f"{url}/sessions/{code}"
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of a plain IP address
    async with aiohttp.ClientSession(cookie_jar=jar) as client:
        async with client.get(address) as answer:
            page = await answer.text()
            assert answer.status == 200
            assert "jupyter" in page.lower()
            assert str(answer.url).startswith(f"{base}/lab")
        async with client.get(address) as answer:
            assert answer.status == 403, "the ticket worked twice"
        printed = await computed(client, base, "print(6 * 7)")
        async with client.get(f"{base}/api/status", headers={"Origin": "http://evil"}) as answer:
            assert answer.status == 403
        async with client.get(f"{url}/sessions/JOB-OTHERS/lab") as answer:
            assert answer.status == 403
    async with aiohttp.ClientSession() as nobody:
        for path in ("/lab", "/api/contents"):
            async with nobody.get(f"{base}{path}") as answer:
                assert answer.status == 403
    return printed


def test_a_notebook_is_opened_once_worked_in_and_ends_when_nobody_computes(open_factory) -> None:
    portal, start, url = open_factory
    code = start("/sessions", gpus=0, cpus=1, memory_mb=1500, time_limit_s=900)
    idle = {
        "name": "Idle",
        "recipe": "session",
        "memory_mb": 1500,
        "time_limit_s": 900,
        "files": {"session.json": '{"idle_s": 5}'},
    }
    unused = start("/jobs", spec=idle)

    printed = asyncio.run(visit(ticket(portal, code), url, code))
    assert printed == "42\n"

    unknown = httpx.get(f"{url}/open/{'x' * 43}")
    assert unknown.status_code == 403
    assert portal.post(f"/jobs/{code}/cancel").status_code == 200
    job = portal.wait(code, lambda job: job["settled_at"])
    assert (job["state"], job["kind"]) == ("cancelled", "session")
    assert job["gpu_ms"] > 0
    refused = portal.post(f"/jobs/{code}/open")
    assert refused.status_code == 409
    assert refused.json()["code"] in {"session.open.not_running", "session.open.not_ready"}

    job = portal.wait(unused, lambda job: job["settled_at"])
    assert job["state"] == "done", job
    assert 0 < job["gpu_ms"] < job["held_gpu_ms"]
