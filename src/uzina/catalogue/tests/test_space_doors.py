"""Pages and API of a project's storage."""

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from uzina.catalogue.actions import filing, spaces
from uzina.catalogue.models import Item, Space
from uzina.catalogue.tests.test_spaces import kept, sums
from uzina.core.models import LogEntry


@pytest.fixture(autouse=True)
def running(project, monkeypatch):
    """Have the doors' clock within the project's period."""
    moment = project.starts_at
    for module in ("views", "api"):
        monkeypatch.setattr(f"uzina.catalogue.{module}.spaces.now", lambda: moment)
    return moment


@pytest.fixture
def space(project, ana, running):
    made = {one.kind: one for one in spaces.follow_project(project, now=running)}["scratch"]
    files = [kept("a/one.txt", b"one"), kept("a/b/two.html", b"<script>"), kept("c.txt", b"three")]
    spaces.put_files(made, files, by=ana, now=running)
    return made


def address(space, rest=""):
    return f"/projects/{space.project.code}/storage/{rest}"


def api_of(space, rest=""):
    return f"/api/v1/catalogue/spaces/{space.project.code}/{space.kind}{rest}"


def post(client, url, body=None):
    return client.post(url, json.dumps(body or {}), content_type="application/json")


def test_storage_shows_each_space_with_its_figures_and_its_end(client, ana, space):
    client.force_login(ana)
    text = client.get(address(space)).content.decode()
    assert text.count('aria-labelledby="space-') == 3
    assert "16 B" in text
    assert "Biggest folders" in text
    assert "What goes first" in text


def test_a_new_project_has_its_spaces_at_the_first_look(client, ana, project):
    client.force_login(ana)
    assert client.get(f"/projects/{project.code}/storage/").status_code == 200
    assert Space.objects.filter(project=project).count() == 3


def test_a_folder_shows_folders_first_and_finds_by_words(client, ana, space):
    client.force_login(ana)
    text = client.get(address(space, "scratch/")).content.decode()
    assert text.index("a/</a>") < text.index("c.txt")
    assert "2 files" in text
    found = client.get(address(space, "scratch/?q=TWO")).content.decode()
    assert "a/b/two.html" in found
    assert "c.txt" not in found
    assert client.get(address(space, "scratch/?path=../x")).status_code == 404


def test_ten_thousand_files_are_shown_in_pages_with_few_queries(
    client, ana, space, running, django_assert_max_num_queries
):
    Item.objects.bulk_create(
        Item(
            space=space,
            path=f"many/{number:05}",
            folder="many",
            bytes=1,
            sha256="0" * 64,
            media_type="text/plain",
            put_at=running,
            used_at=running,
        )
        for number in range(10_000)
    )
    client.force_login(ana)
    with django_assert_max_num_queries(20):
        text = client.get(address(space, "scratch/?path=many&page=100")).content.decode()
    assert "09999" in text
    assert "Page 100 of 100" in text


def test_a_file_is_never_shown_as_a_page_of_ours(client, ana, space):
    client.force_login(ana)
    answer = client.get(address(space, "scratch/files/a/b/two.html"))
    assert answer["Content-Disposition"] == 'attachment; filename="two.html"'
    assert answer["Content-Type"] == "application/octet-stream"
    assert b"".join(answer.streaming_content) == b"<script>"


def test_small_files_come_by_a_plain_form(client, ana, space):
    client.force_login(ana)
    sent = SimpleUploadedFile("new.txt", b"fresh")
    answer = client.post(address(space, "scratch/put/"), {"path": "a", "files": [sent]})
    assert answer.status_code == 302
    assert Item.objects.live().get(path="a/new.txt").bytes == 5
    assert sums(space).reserved_bytes == 0


def test_what_does_not_fit_is_refused_in_words_and_leaves_no_trace(client, ana, space):
    Space.objects.filter(pk=space.pk).update(byte_quota=16, byte_limit=16)
    client.force_login(ana)
    before = LogEntry.objects.count()
    sent = SimpleUploadedFile("new.txt", b"fresh")
    answer = client.post(address(space, "scratch/put/"), {"files": [sent]}, follow=True)
    assert "has room for 0 more bytes and this needs 5" in answer.content.decode()
    assert sums(space) == space_sums(space)
    assert LogEntry.objects.count() == before


def space_sums(space):
    return Space.objects.get(pk=space.pk).taken


def test_to_the_trash_and_back_by_hand(client, ana, space):
    client.force_login(ana)
    client.post(address(space, "scratch/delete/"), {"paths": ["a", "c.txt"]})
    assert not Item.objects.live().exists()
    text = client.get(address(space, "scratch/trash/")).content.decode()
    assert "a/one.txt" in text
    ids = list(Item.objects.values_list("pk", flat=True))
    client.post(address(space, "scratch/restore/"), {"ids": ids})
    assert Item.objects.live().count() == 3


def test_a_folder_is_moved_by_a_form_that_keeps_what_was_typed(client, ana, space):
    client.force_login(ana)
    refused = client.post(
        address(space, "scratch/move/"), {"path": "a", "to": "c.txt", "kind": "scratch"}
    )
    assert refused.status_code == 422
    assert "There is something at c.txt already" in refused.content.decode()
    done = client.post(address(space, "scratch/move/"), {"path": "a", "to": "z", "kind": "project"})
    assert done["Location"].endswith("/storage/project/")
    assert Item.objects.live().filter(space__kind="project").count() == 2


def test_a_folder_becomes_a_version_without_being_copied(client, ana, space, register):
    register(slug="corpus")
    client.force_login(ana)
    page = client.get(address(space, "scratch/?path=a")).content.decode()
    assert "Make a dataset version of this folder" in page
    answer = client.post(
        address(space, "scratch/version/"), {"path": "a", "dataset": "corpus", "note": "First."}
    )
    assert answer.status_code == 302
    api = client.get("/api/v1/catalogue/datasets/corpus/versions/1").json()
    assert [one["path"] for one in api["manifest"]] == ["b/two.html", "one.txt"]


def test_the_whole_space_goes_and_comes_back(client, ana, space):
    client.force_login(ana)
    client.post(address(space, "scratch/trash-all/"))
    space.refresh_from_db()
    assert space.state == "trashed"
    assert "Take the space out of the trash" in client.get(address(space)).content.decode()
    client.post(address(space, "scratch/restore-all/"))
    space.refresh_from_db()
    assert space.state == "open"


def test_the_trash_is_emptied_by_a_lead(client, ana, space, running):
    filing.trash(space, ["a"], by=ana, now=running)
    client.force_login(ana)
    client.post(address(space, "scratch/empty-trash/"))
    assert sums(space).trash_files == 0


@pytest.mark.parametrize("rest", ["", "scratch/", "scratch/trash/", "scratch/files/c.txt"])
def test_strangers_see_nothing(client, stranger, space, rest):
    client.force_login(stranger)
    assert client.get(address(space, rest)).status_code == 404


def test_auditors_see_sums_and_no_files(client, auditor, space):
    client.force_login(auditor)
    assert client.get(address(space)).status_code == 200
    assert client.get(address(space, "scratch/")).status_code == 403
    assert client.get(api_of(space)).status_code == 200
    assert client.get(api_of(space, "/items")).status_code == 403


def test_the_api_tells_figures_folders_and_files(client, ana, space):
    client.force_login(ana)
    (one,) = [
        row
        for row in client.get("/api/v1/catalogue/spaces").json()["items"]
        if row["kind"] == "scratch"
    ]
    assert (one["used_bytes"], one["used_files"], one["state"]) == (16, 3, "open")
    folder = client.get(api_of(space, "/folder?path=a")).json()
    assert [(row["name"], row["is_folder"]) for row in folder["entries"]] == [
        ("b", True),
        ("one.txt", False),
    ]
    items = client.get(api_of(space, "/items?path=a")).json()["items"]
    assert {row["path"] for row in items} == {"a/one.txt", "a/b/two.html"}


def test_the_files_of_a_space_come_in_pages_to_the_last(client, ana, space):
    client.force_login(ana)
    found, cursor = [], ""
    while cursor is not None:
        page = client.get(api_of(space, f"/items?limit=2&cursor={cursor}")).json()
        found += [one["path"] for one in page["items"]]
        cursor = page["next"]
    assert sorted(found) == ["a/b/two.html", "a/one.txt", "c.txt"]
    assert client.get(api_of(space, "/items?limit=1001")).status_code == 422
    assert client.get(api_of(space, "/items?cursor=x")).status_code == 422


def test_the_api_moves_trashes_and_restores(client, ana, space):
    client.force_login(ana)
    assert post(client, api_of(space, "/trash"), {"paths": ["a"]}).json() == {"files": 2}
    trashed = client.get(api_of(space, "/items?is_trashed=true")).json()["items"]
    ids = [row["id"] for row in trashed]
    assert post(client, api_of(space, "/restore"), {"ids": ids}).json() == {"files": 2}
    moved = post(client, api_of(space, "/move"), {"path": "a", "to": "k", "kind": "project"})
    assert moved.json() == {"files": 2}
    gone = post(client, api_of(space, "/trash"), {"paths": ["a"]})
    assert (gone.status_code, gone.json()["code"]) == (409, "item.find.unknown")
    hostile = post(client, api_of(space, "/trash"), {"paths": ["../a"]})
    assert hostile.status_code == 422


def test_a_version_is_purged_by_the_api_on_a_basis(client, ana, version):
    client.force_login(ana)
    url = f"/api/v1/catalogue/datasets/{version.dataset.slug}/versions/1"
    wrong = post(client, f"{url}/purge", {"basis": "whim", "reason": "x"})
    assert wrong.status_code == 422
    done = post(client, f"{url}/purge", {"basis": "retention", "reason": "The time is over."})
    assert done.json()["basis"] == "retention"
    assert client.get(f"{url}/made-from").json() == []
