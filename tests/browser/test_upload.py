"""Files sent from a real browser: in parts, through a cut connection, after a reload."""

import hashlib

import pytest
from playwright.sync_api import expect

from uzina.catalogue.actions import spaces
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Item, Upload
from uzina.core.tests import NOW

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PATIENCE_MS = 120_000
PASSWORD = "a password of this test"
PART = 16 << 20
BIG = b"0123456789abcdef" * (PART // 16) + b"and a bit more"
"""Two parts: the second is short."""


@pytest.fixture
def page(live_server, browser, ana, project, monkeypatch):
    """The scratch folder of a project, as a member sees it on a telephone."""
    monkeypatch.setattr("uzina.catalogue.views.spaces.now", lambda: NOW)
    monkeypatch.setattr("uzina.catalogue.api.uploads.now", lambda: NOW)
    ana.set_password(PASSWORD)
    ana.save()
    spaces.follow_project(project, now=NOW)
    window = browser.new_context(base_url=live_server.url, viewport={"width": 390, "height": 844})
    window.set_default_timeout(PATIENCE_MS)
    page = window.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto("/sign-in/")
    page.fill("[name=email]", ana.email)
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(lambda url: "/sign-in/" not in url)
    page.goto(f"/projects/{project.code}/storage/scratch/")
    yield page
    window.close()


def state(page, number=0):
    return page.locator("[data-list] li").nth(number).locator(".task-list__state")


def choose(page, *files):
    page.set_input_files(
        "#upload-files",
        [{"name": name, "mimeType": "text/plain", "buffer": body} for name, body in files],
    )


def sent(path, body):
    item = Item.objects.live().get(path=path)
    assert item.sha256 == hashlib.sha256(body).hexdigest()
    assert store().size(item.sha256) == len(body)


def test_files_are_sent_and_stand_in_the_folder_at_once(page):
    choose(page, ("ăsta.txt", "Bună ziua\n".encode()), ("two.txt", b"two"))
    expect(page.locator("[data-says]")).to_contain_text("All files are there.", timeout=PATIENCE_MS)
    expect(page.locator("[data-files]")).to_contain_text("ăsta.txt", timeout=PATIENCE_MS)
    sent("ăsta.txt", "Bună ziua\n".encode())
    sent("two.txt", b"two")
    assert page.wrong == []


def test_a_cut_connection_is_waited_for_and_the_upload_goes_on(page):
    cut = []

    def first_time_only(route):
        if not cut:
            cut.append(route.request.url)
            route.abort("connectionreset")
        else:
            route.continue_()

    page.route("**/parts/*", first_time_only)
    choose(page, ("cut.txt", b"once more"))
    expect(page.locator("[data-says]")).to_contain_text("All files are there.", timeout=PATIENCE_MS)
    assert len(cut) == 1
    sent("cut.txt", b"once more")


def test_after_a_reload_an_upload_goes_on_with_the_parts_that_are_missing(page):
    asked = []
    page.route("**/parts/2", lambda route: route.abort("connectionreset"))
    choose(page, ("big.txt", BIG))
    expect(state(page)).to_contain_text("No connection", timeout=PATIENCE_MS)
    expect(page.locator("[data-list] progress")).to_have_js_property(
        "value", PART, timeout=PATIENCE_MS
    )

    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(state(page)).to_contain_text("Choose the same file again", timeout=PATIENCE_MS)
    page.unroute("**/parts/2")
    page.on("request", lambda request: asked.append((request.method, request.url)))
    choose(page, ("big.txt", BIG))
    expect(page.locator("[data-says]")).to_contain_text("All files are there.", timeout=PATIENCE_MS)

    puts = [url.rpartition("/")[2] for method, url in asked if method == "PUT"]
    assert puts == ["2"]
    assert Upload.objects.count() == 1
    sent("big.txt", BIG)
    assert page.wrong == []


def test_another_file_of_the_same_name_does_not_go_on_with_what_was_begun(page):
    page.route("**/parts/2", lambda route: route.abort("connectionreset"))
    choose(page, ("big.txt", BIG))
    expect(page.locator("[data-list] progress")).to_have_js_property(
        "value", PART, timeout=PATIENCE_MS
    )
    page.on("dialog", lambda dialog: dialog.accept())
    page.reload()
    expect(state(page)).to_contain_text("Choose the same file again", timeout=PATIENCE_MS)
    page.unroute("**/parts/2")
    choose(page, ("big.txt", b"X" + BIG[1:]))
    expect(state(page)).to_contain_text("another file", timeout=PATIENCE_MS)
    assert not Item.objects.exists()


def test_pausing_stops_the_sending_and_going_on_ends_it(page):
    page.route("**/parts/*", lambda route: route.abort("connectionreset"))
    choose(page, ("p.txt", b"patience"))
    expect(state(page)).to_contain_text("No connection", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Pause: p.txt").click()
    page.unroute("**/parts/*")
    expect(state(page)).to_contain_text("Paused", timeout=PATIENCE_MS)
    page.get_by_role("button", name="Go on: p.txt").click()
    expect(page.locator("[data-says]")).to_contain_text("All files are there.", timeout=PATIENCE_MS)
    sent("p.txt", b"patience")


def test_what_does_not_fit_is_told_before_a_byte_is_sent(page, project):
    from uzina.catalogue.models import Space

    Space.objects.filter(project=project, kind="scratch").update(byte_quota=10, byte_limit=10)
    page.reload()
    choose(page, ("large.txt", b"more than ten bytes"))
    expect(page.locator("[data-says]")).to_contain_text("more room than is left")
    assert not Upload.objects.exists()
