"""A section of an application that saves itself in a real browser."""

from datetime import UTC, datetime

import pytest
from playwright.sync_api import expect

from uzina.calls import actions
from uzina.calls.tests.conftest import fill, make_call
from uzina.core.tests import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 120_000
PASSWORD = "a password of this test"


def test_a_section_saves_itself_and_tells_when_the_session_is_over(
    live_server, browser, operator, org, ana
):
    ana.set_password(PASSWORD)
    ana.save()
    call = make_call(operator, opens_at=datetime(2026, 1, 1, tzinfo=UTC))
    draft = actions.start(call, organisation=org, by=ana, now=NOW)
    fill(draft, by=ana)
    window = browser.new_context(base_url=live_server.url, viewport={"width": 390, "height": 844})
    window.set_default_timeout(PATIENCE_MS)
    page = window.new_page()
    wrong = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto("/sign-in/")
    page.fill("[name=email]", ana.email)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    says = page.locator("[data-draft-says]")

    page.goto(f"/applications/{draft.code}/sections/project/")
    page.fill("[name=title]", "Typed and never sent by hand")
    expect(says).to_contain_text("Saved at", timeout=PATIENCE_MS)
    assert page.input_value("[name=version]") == "2"
    assert draft.sections.get(slug="project").answers["title"] == "Typed and never sent by hand"

    cookies = [one for one in window.cookies() if one["name"] == "csrftoken"]
    window.clear_cookies()
    window.add_cookies(cookies)
    page.fill("[name=goals]", "Typed after the session was over")
    expect(says).to_contain_text("You were signed out", timeout=PATIENCE_MS)
    page.click("form[data-draft] .actions button:not([name])")
    page.wait_for_url("**/sign-in/**")
    page.fill("[name=email]", ana.email)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url("**/sections/project/")
    assert page.input_value("[name=goals]") == "Typed after the session was over"
    assert wrong == []
    window.close()
