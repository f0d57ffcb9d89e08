"""Every page as people see it: checked by axe in light and dark, wide and narrow, en and ro.

Pictures of all of them lie in var/pictures afterwards.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import data_made
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import BrowserContext, Page

from uzina.root.demo import OFFICE, Factory
from uzina_client import Client
from uzina_client.story import Login, Story

pytestmark = [pytest.mark.browser, pytest.mark.timeout(1800)]

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
VIEWS = {"en": (("light", WIDE), ("dark", NARROW)), "ro": (("dark", WIDE), ("light", NARROW))}
"""Each language in two views, so that every theme, width and language is seen, and with each other."""
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


SECTIONS = ("about", "translations", "coverage", "contact", "terms", "origin", "people", "use")
FACETS = "q=stiri&access=restricted&theme=EDUC&language=ro"


@pytest.fixture(scope="module")
def data(told: tuple[Factory, Story], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the names of data that the story does not leave."""
    return data_made.make(*told, tmp_path_factory.mktemp("data"))


def pages_of(story: Story, data: dict[str, str]) -> dict[str, list[str]]:
    """Return the pages each role sees, on objects that the story left or that were made after it."""
    facts = story.facts
    slug, _at, number = facts["model"].partition("@")
    with Client(story.url) as nobody:
        who = story.cast.applicant
        secret = nobody.people.token(email=who.email, password=who.password, name="pages")["secret"]
    with Client(story.url, secret) as client:
        draft = next(iter(client.calls.applications()))["code"]
    version = f"/models/{slug}/{number}/"
    project, allocation = facts["project"], facts["allocation"]
    storage, corpus = f"/projects/{project}/storage/", facts["corpus"].partition("@")[0]
    return {
        "nobody": [
            "/", "/calls/", f"/calls/{facts['call']}/", "/estimate/", "/sign-in/", "/register/",
            "/qualify/", "/qualify/?kind=university&country=RO&civilian_purpose=yes", "/datasets/", "/models/",
            "/accessibility/", "/there-is-no-such-page/", "/calls/modes/",
            "/calls/modes/large-scale/", "/calls/cut-offs/", f"/calls/{facts['call']}/terms/",
            "/awards/public/", "/letters/verify/", f"/datasets/?{FACETS}", "/datasets/?q=nothing",
            "/datasets/local-news/", "/datasets/local-news/versions/2/",
        ],
        "applicant": [
            "/", "/applications/", f"/applications/{draft}/", f"/applications/{draft}/check/",
            f"/applications/{draft}/withdraw/", f"/calls/{facts['call']}/apply/", "/account/",
            "/account/tokens/new/", "/organisations/new/", "/account/messages/",
            f"/applications/{draft}/colleagues/",
            *(
                f"/applications/{draft}/sections/{section}/"
                for section in ("project", "team", "work", "data", "ethics", "declarations")
            ),
            "/datasets/mine/", "/datasets/new/", "/datasets/local-news/",
            "/datasets/local-news/edit/", "/datasets/local-news/policy/",
            "/datasets/local-news/uses/", "/access/", f"/access/{data['waiting']}/",
            f"/access/{data['granted']}/",
            *(f"/datasets/local-news/edit/{section}/" for section in SECTIONS),
        ],
        "lead": [
            "/", "/projects/", f"/projects/{project}/", "/allocations/",
            "/clusters/", f"/projects/{project}/history/",
            f"/allocations/{allocation}/", "/jobs/", "/jobs/new/", f"/jobs/{facts['jobs'][0]}/",
            f"/jobs/{facts['jobs'][1]}/", f"/datasets/{corpus}/",
            f"/datasets/{facts['data'].partition('@')[0]}/", "/runs/", "/runs/new/",
            f"/runs/{facts['run']}/", f"/models/{slug}/", version, f"{version}card/",
            f"{version}documentation-form/", f"{version}lineage/",
            f"/applications/{facts['application']}/", f"/awards/{facts['award']}/",
            f"/projects/{project}/usage/", f"/awards/{facts['award']}/changes/",
            f"/awards/{facts['award']}/changes/early_end/", f"/projects/{project}/use/",
            f"/reports/{facts['award']}/final/", "/account/messages/", "/datasets/mine/", "/access/",
            f"/datasets/{corpus}/edit/", f"/datasets/{corpus}/versions/1/",
            f"/datasets/{corpus}/versions/1/lineage/", f"/datasets/{corpus}/versions/1/purge/",
            "/datasets/local-news/access/", f"/access/{data['waiting']}/",
            f"/access/{data['granted']}/", storage, f"{storage}scratch/",
            f"{storage}scratch/?path=run-1", f"{storage}scratch/move/?path=old.txt",
            f"{storage}scratch/trash/", f"{storage}project/", f"{storage}dataset/trash/",
        ],
        "assessor": ["/", "/assessments/", "/queue/"],
        "operator": [
            "/", "/calls/new/", "/promises/", "/log/", f"/calls/{facts['call']}/",
            f"/projects/{project}/", f"/allocations/{allocation}/", "/clusters/",
            "/clusters/history/", "/clusters/use/", "/clusters/maintenance/",
            "/clusters/maintenance/new/", "/clusters/reconciliation/", "/clusters/users/",
            "/usage/nobody/", "/tariffs/", "/tariffs/new/", f"/jobs/{facts['jobs'][0]}/",
            f"/allocations/{allocation}/overdraw/", "/queue/", "/messages/", "/messages/templates/",
            "/reviewers/", "/reviewers/new/", "/panels/", "/rankings/", "/appeals/", "/aid/",
            "/changes/", "/reports/", "/calls/standings/", "/calls/modes/playground/edit/",
            f"/applications/{facts['application']}/", f"/calls/{facts['call']}/reviewing/",
            "/catalogue/sources/", "/catalogue/sources/new/", f"/catalogue/sources/{data['source']}/",
            "/catalogue/participants/", "/catalogue/participants/new/",
            "/access/", f"/access/{data['granted']}/", storage,
        ],
        "auditor": ["/", "/log/", "/projects/", "/catalogue/sources/", "/access/"],
    }  # fmt: skip


def login_of(factory: Factory, story: Story, role: str) -> Login | None:
    """Return who signs in for a role."""
    known = {"nobody": None, "applicant": story.cast.applicant, "lead": story.cast.lead}
    if role in known:
        return known[role]
    email, name = OFFICE[role]
    return Login(email=email, name=name, password=factory.open()[email])


@pytest.mark.parametrize("role", ["nobody", "applicant", "lead", "assessor", "operator", "auditor"])
def test_every_page_is_without_violations_in_every_view(
    told: tuple[Factory, Story],
    enter: Callable[..., BrowserContext],
    pictures: Path,
    data: dict[str, str],
    role: str,
) -> None:
    factory, story = told
    page = enter(story, login_of(factory, story, role)).new_page()
    wrong: list[str] = []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    for language, views in VIEWS.items():
        speak(page, language)
        for path in pages_of(story, data)[role]:
            wrong += list(faults(page, path, language, views, pictures / role))
    wrong = [one for one in wrong if "404" not in one]
    assert not wrong, f"{len(wrong)} faults:\n" + "\n".join(wrong)


def speak(page: Page, language: str) -> None:
    """Switch the language by the page's own buttons."""
    page.set_viewport_size(WIDE)
    page.goto("/calls/")
    with page.expect_navigation():
        page.locator(f"button[name=language][value={language}]").click()


def faults(page: Page, path: str, language: str, views: tuple, folder: Path) -> Iterator[str]:
    """Yield what is wrong with a page in each view."""
    answer = page.goto(path)
    if answer.status != (404 if "no-such" in path else 200):
        yield f"{path}: {answer.status}"
        return
    assert page.get_attribute("html", "lang") == language
    for theme, size in views:
        where = f"{path} {language} {theme} {size['width']}"
        page.emulate_media(color_scheme=theme)
        page.set_viewport_size(size)
        folder.mkdir(parents=True, exist_ok=True)
        name = f"{re.sub(r'[^A-Za-z0-9]+', '_', path).strip('_') or 'home'}-{language}-{theme}"
        page.screenshot(path=folder / f"{name}-{size['width']}.png", full_page=True)
        too_wide = page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
        if too_wide > 0:
            yield f"{where}: scrolls sideways by {too_wide} px"
        for one in Axe().run(page, options=RULES).response["violations"]:
            first = one["nodes"][0]
            yield f"{where}: {one['id']} ({len(one['nodes'])}): {first['html'][:160]}"
