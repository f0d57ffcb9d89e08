"""An application by keyboard alone, from "do I qualify" to "submitted", with and without scripts."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from uzina.root.demo import Factory
from uzina_client import story_answers as answers
from uzina_client.story import Story

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1200)]

MOST_STOPS = 120
NEW = {"email": "{code}@keyboard.example", "name": "Tasta Tatură", "password": "o parolă lungă 42"}


class Keyboard:
    """Somebody who has no mouse: every step is a key."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def to(self, selector: str, *, has_text: str = "") -> None:
        """Press Tab until the focus is on something that fits."""
        for _ in range(MOST_STOPS):
            fits = self.page.evaluate(
                """([selector, text]) => {
                    const here = document.activeElement;
                    return here !== document.body && here.matches(selector)
                        && here.innerText.includes(text);
                }""",
                [selector, has_text],
            )
            if fits:
                return
            self.page.keyboard.press("Tab")
        msg = f"Tab never reaches {selector} {has_text!r} on {self.page.url}"
        raise AssertionError(msg)

    def press(self, selector: str, *, has_text: str = "") -> None:
        """Go to a link or button and press Enter, and wait for what it brings."""
        self.to(selector, has_text=has_text)
        self.check_focus_is_seen()
        with self.page.expect_navigation():
            self.page.keyboard.press("Enter")

    def check_focus_is_seen(self) -> None:
        """Check that whoever looks can see where the focus is."""
        style = self.page.evaluate(
            """() => {
                const style = getComputedStyle(document.activeElement);
                return [style.outlineStyle, parseFloat(style.outlineWidth), style.boxShadow];
            }"""
        )
        assert (style[0] != "none" and style[1] > 0) or style[2] != "none", self.page.url

    def answer(self, name: str, value: Any) -> None:
        """Answer one question of a form, whatever it looks like."""
        box = f'[name="{name}"]'
        found = self.page.locator(box).first
        kind = found.evaluate("it => it.tagName + ' ' + it.type")
        match kind.lower().split():
            case ["select", _]:
                self.to(box)
                label = found.locator(f'option[value="{value}"]').inner_text()
                self.page.keyboard.type(label)
            case ["input", "radio"]:
                self._choose(box, {True: "yes", False: "no"}.get(value, value))
            case ["input", "checkbox"]:
                self.to(box)
                if value and not found.is_checked():
                    self.page.keyboard.press("Space")
            case _:
                self.to(box)
                self.page.keyboard.press("Control+a")
                self.page.keyboard.type(str(value))

    def _choose(self, box: str, value: object) -> None:
        """Choose one of several by the arrow keys."""
        self.to(box)
        count = self.page.locator(box).count()
        for _ in range(count + 1):
            here = self.page.evaluate("() => document.activeElement.value.toLowerCase()")
            if here in {str(value).lower(), {"yes": "true", "no": "false"}.get(str(value))}:
                self.page.keyboard.press("Space")
                return
            self.page.keyboard.press("ArrowDown")
        msg = f"the arrow keys never reach {value!r} of {box}"
        raise AssertionError(msg)


def flat(given: dict[str, Any]) -> dict[str, Any]:
    """Return answers by the names of their fields, rows numbered."""
    found: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, list):
            for number, row in enumerate(value):
                found |= {f"{name}.{number}.{key}": one for key, one in row.items()}
        else:
            found[name] = value
    return found


def test_an_application_is_filled_in_by_keyboard_alone(
    told: tuple[Factory, Story], enter: Callable[..., BrowserContext]
) -> None:
    story = told[1]
    page = enter(story).new_page()
    keys = Keyboard(page)
    page.goto("/")
    page.keyboard.press("Tab")
    assert page.evaluate("() => document.activeElement.getAttribute('href')").startswith("#")

    page.goto("/qualify/")
    facts = answers.ORGANISATION
    for name in ("kind", "country", "headcount", "turnover_eur", "balance_eur"):
        keys.answer(name, facts[name])
    keys.answer("civilian_purpose", True)
    keys.press("button.ds-button")
    assert "you qualify" in page.inner_text("main"), (page.url, page.inner_text("main"))
    keys.press("main a.ds-button", has_text="Playground")
    keys.press("main a.ds-button", has_text="Apply")
    register(keys)
    keys.press("main a", has_text="organisation")
    describe_organisation(keys)
    page.goto(f"/calls/{story.facts['call']}/apply/")
    assert "you qualify" in page.inner_text("main"), (page.url, page.inner_text("main"))
    keys.press("main button.ds-button", has_text="Start the application")
    code = re.search(r"APP-\w+", page.url)[0]
    filled = answers.sections(name=NEW["name"], email="pi@keyboard.example", gpu_hours=100)
    for slug, given in filled.items():
        page.goto(f"/applications/{code}/sections/{slug}/")
        for name, value in flat(given).items():
            keys.answer(name, value)
        keys.press("main .actions button.ds-button", has_text="Save and continue")
        assert page.locator("[data-state=error]").count() == 0, (slug, page.inner_text("main"))
    page.goto(f"/applications/{code}/")
    keys.press("main a.ds-button", has_text="Check your answers")
    assert answers.PROJECT["title"] in page.inner_text("main")
    keys.press("main button.ds-button", has_text="Submit the application")
    page.goto(f"/applications/{code}/")
    assert "Eligible" in page.inner_text("main")


def register(keys: Keyboard) -> None:
    """Register by keyboard, coming from a page that asks for it."""
    page = keys.page
    if "/register/" not in page.url:
        keys.press("main a", has_text="Register")
    keys.answer("email", NEW["email"].format(code="tasta"))
    keys.answer("name", NEW["name"])
    for box in page.locator("input[type=password]").all():
        keys.answer(box.get_attribute("name"), NEW["password"])
    keys.press("main button.ds-button", has_text="Register")


def describe_organisation(keys: Keyboard) -> None:
    """Fill in the facts of the organisation."""
    facts = answers.SECOND_ORGANISATION
    for name in ("name", "kind", "country", "city", "headcount", "turnover_eur", "balance_eur"):
        keys.answer(name, facts[name] if name != "name" else "Tastatura SRL")
    keys.press("main .actions button.ds-button", has_text="Save and continue")


def test_an_application_works_with_scripts_off(
    told: tuple[Factory, Story], enter: Callable[..., BrowserContext]
) -> None:
    page = enter(told[1], java_script_enabled=False).new_page()
    page.goto("/qualify/")
    facts = answers.ORGANISATION
    for name in ("kind", "country", "headcount", "turnover_eur", "balance_eur"):
        put(page, name, facts[name])
    put(page, "civilian_purpose", True)
    page.locator("main form button.ds-button").last.press("Enter")
    page.wait_for_load_state()
    assert "you qualify" in page.inner_text("main"), (page.url, page.inner_text("main"))
    page.goto("/register/")
    put(page, "email", NEW["email"].format(code="faracod"))
    put(page, "name", NEW["name"])
    for box in page.locator("input[type=password]").all():
        box.fill(NEW["password"])
    page.get_by_role("button", name="Register").press("Enter")
    page.wait_for_url(lambda url: "/register/" not in url)
    page.goto("/organisations/new/")
    facts = answers.SECOND_ORGANISATION
    for name in ("name", "kind", "country", "city", "headcount", "turnover_eur", "balance_eur"):
        put(page, name, facts[name] if name != "name" else "Fără Script SRL")
    page.locator("main .actions button.ds-button").last.press("Enter")
    page.wait_for_url(lambda url: "/new/" not in url)
    page.goto("/calls/playground/apply/")
    page.get_by_role("button", name="Start the application").press("Enter")
    page.wait_for_url(re.compile("/applications/APP-"))
    code = re.search(r"APP-\w+", page.url)[0]
    filled = answers.sections(name=NEW["name"], email="pi@noscript.example", gpu_hours=100)
    for slug, given in filled.items():
        page.goto(f"/applications/{code}/sections/{slug}/")
        for name, value in flat(given).items():
            put(page, name, value)
        page.get_by_role("button", name="Save and continue").last.press("Enter")
        page.wait_for_url(lambda url, slug=slug: f"/sections/{slug}/" not in url)
    page.goto(f"/applications/{code}/check/")
    page.get_by_role("button", name="Submit the application").press("Enter")
    page.wait_for_load_state()
    page.goto(f"/applications/{code}/")
    assert "Eligible" in page.inner_text("main")


def put(page: Page, name: str, value: Any) -> None:
    """Fill in one field without asking the page anything."""
    box = page.locator(f'[name="{name}"]')
    first = box.first
    if page.locator(f'select[name="{name}"]').count():
        first.select_option(str(value))
    elif page.locator(f'input[type=radio][name="{name}"]').count():
        wanted = {True: ["yes", "True", "true"], False: ["no", "False", "false"]}.get(
            value, [value]
        )
        for one in wanted:
            choice = page.locator(f'input[name="{name}"][value="{one}"]')
            if choice.count():
                choice.check()
                return
    elif page.locator(f'input[type=checkbox][name="{name}"]').count():
        first.set_checked(bool(value))
    else:
        first.fill(str(value))
