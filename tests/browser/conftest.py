"""A real browser: Debian's Chromium, driven by Playwright."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from uzina_client.story import Login, Story

FLAGS = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
    "--disable-background-networking",
    "--disable-component-update",
    "--no-first-run",
]
PICTURES = Path(__file__).parents[2] / "var" / "pictures"
"""Pages as they were seen, to be looked at: axe finds half of what is wrong."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return Chromium, ended with the tests of one file: the loop that Playwright keeps going would
    be in the way of others that start one.
    """
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("Chromium is not here. On Debian: apt-get install chromium.")
    # Playwright keeps a loop going in this thread; what a test asks of the database beside it waits
    # for nobody.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def enter(browser: Browser) -> Iterator[Callable[..., BrowserContext]]:
    """Return what opens the portal as somebody, or as nobody, in a window of its own."""
    contexts: list[BrowserContext] = []

    def enter(story: Story, who: Login | None = None, **settings: object) -> BrowserContext:
        context = browser.new_context(base_url=story.url, reduced_motion="reduce", **settings)
        context.set_default_timeout(20_000)
        contexts.append(context)
        if who is not None:
            page = context.new_page()
            page.goto("/sign-in/")
            page.fill("[name=email]", who.email)
            page.fill("[name=password]", who.password)
            page.press("[name=password]", "Enter")
            page.wait_for_url(lambda url: "/sign-in/" not in url)
            page.close()
        return context

    yield enter
    for context in contexts:
        context.close()


@pytest.fixture(scope="session")
def pictures() -> Path:
    """Return the folder for pictures of pages."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES
