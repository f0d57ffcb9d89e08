"""The API and the pages: status, shape, who sees what, how many queries."""

import hashlib
import io

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from uzina.catalogue import actions
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Upload, Version
from uzina.catalogue.rules import DatasetKind
from uzina.catalogue.tests.conftest import COMPLETE
from uzina.core.models import LogEntry
from uzina.core.tests import NOW

pytestmark = pytest.mark.django_db
BASE = "/api/v1/catalogue"
BODY = "Bună ziua\n".encode() * 10


def put(client, body, sha256=None, **headers):
    sha256 = sha256 or hashlib.sha256(body).hexdigest()
    return client.put(
        f"{BASE}/blobs/{sha256}", body, content_type="application/octet-stream", headers=headers
    )


def page(person):
    client = Client()
    if person is not None:
        client.force_login(person)
    return client


def facts(project, **more):
    return {
        "slug": "ro-corpus",
        "title": "Texte românești",
        "description": "Texte.",
        "licence": "cc-by-sa-3.0",
        "languages": ["ro"],
        "project": project.code,
    } | more


def test_a_dataset_goes_from_registration_to_download_over_http(api, ana, project, stranger):
    client = api(ana)
    made = client.post(f"{BASE}/datasets", facts(project), content_type="application/json")
    assert (made.status_code, made.json()["state"]) == (201, "draft")
    blob = put(client, BODY).json()
    assert blob["bytes"] == len(BODY)
    assert client.get(f"{BASE}/blobs/{blob['sha256']}").json() == blob
    added = client.post(
        f"{BASE}/datasets/ro-corpus/versions",
        {"files": [{"path": "ro/a.txt", **blob}], "note": "First."},
        content_type="application/json",
    )
    assert added.status_code == 201
    assert added.json()["reference"] == "ro-corpus@1"
    assert added.json()["manifest"][0]["media_type"] == "text/plain"
    assert api(stranger).get(f"{BASE}/datasets/ro-corpus").status_code == 404

    early = client.post(f"{BASE}/datasets/ro-corpus/publish")
    assert (early.status_code, len(early.json()["errors"])) == (422, 5)
    described = client.post(
        f"{BASE}/datasets/ro-corpus/describe", COMPLETE, content_type="application/json"
    )
    assert described.json()["missing"] == []
    published = client.post(f"{BASE}/datasets/ro-corpus/publish")
    assert (published.json()["state"], published.json()["allowed"]) == ("published", ["withdraw"])
    seen = api(stranger).get(f"{BASE}/datasets/ro-corpus").json()
    assert [one["digest"] for one in seen["version_list"]] == [added.json()["digest"]]
    sent = api(stranger).get(f"{BASE}/datasets/ro-corpus/versions/1/files/ro/a.txt")
    assert sent.getvalue() == BODY


def test_a_wrong_checksum_is_422_and_nothing_is_kept(api, ana, org):
    wrong = put(api(ana), BODY, sha256="0" * 64)
    assert wrong.status_code == 422
    assert wrong["Content-Type"] == "application/problem+json"
    assert wrong.json()["code"] == "blob.upload.wrong_checksum"
    assert hashlib.sha256(BODY).hexdigest() in wrong.json()["detail"]
    assert store().size("0" * 64) is None
    assert store().sweep(older_than_s=-1) == 0
    assert not Upload.objects.exists()
    assert not LogEntry.objects.filter(event="blob.uploaded").exists()


def test_a_body_that_ends_early_is_422_and_nothing_is_kept(ana, api, org):
    """The announced length is longer than what arrives, as when a client is killed."""
    wrong = api(ana).put(
        f"{BASE}/blobs/{hashlib.sha256(BODY).hexdigest()}",
        BODY,
        content_type="application/octet-stream",
        CONTENT_LENGTH=str(len(BODY) + 5),
        **{"wsgi.input": io.BytesIO(BODY)},
    )
    assert (wrong.status_code, wrong.json()["code"]) == (422, "blob.upload.cut_short")
    assert store().sweep(older_than_s=-1) == 0


@pytest.mark.parametrize("name", ["x" * 64, "0" * 63, "A" * 64, "..", "%2e%2e%2fetc"])
def test_an_address_that_is_no_checksum_is_refused(api, ana, org, name):
    client = api(ana)
    sent = client.put(f"{BASE}/blobs/{name}", BODY, content_type="application/octet-stream")
    assert sent.status_code in {404, 409, 422}
    assert client.get(f"{BASE}/blobs/{name}").status_code in {404, 422}


def test_nobody_and_those_who_belong_nowhere_cannot_upload(api, stranger):
    assert put(api(), BODY).status_code == 401
    assert put(api(stranger), BODY).status_code == 403


def test_one_does_not_learn_whether_somebody_else_sent_a_file(api, ana, org, stranger):
    sha256 = put(api(ana), BODY).json()["sha256"]
    assert api(stranger).get(f"{BASE}/blobs/{sha256}").status_code == 404


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"slug": "Not A Slug"}, "/slug"),
        ({"title": "a\u0000b"}, "/body/title"),
        ({"title": "x" * 201}, "/body/title"),
        ({"languages": ["xx"]}, "/languages/0"),
        ({"licence": "none"}, "/licence"),
        ({"project": "PRJ-NOTMINE"}, "/project"),
        ({"project": "", "holder": "ORG-NOTME"}, "/holder"),
        ({"description": 7}, "/body/description"),
    ],
)
def test_bad_facts_are_told_by_pointer(api, ana, project, change, pointer):
    told = api(ana).post(
        f"{BASE}/datasets", facts(project) | change, content_type="application/json"
    )
    assert told.status_code == 422
    assert any(
        one["pointer"].endswith(pointer.removeprefix("/body")) for one in told.json()["errors"]
    )


@pytest.mark.parametrize(
    "files",
    [
        [],
        [{"path": "../x", "bytes": 1, "sha256": "0" * 64}],
        [{"path": "x", "bytes": 2**70, "sha256": "0" * 64}],
        [{"path": "x", "bytes": 1.5, "sha256": "0" * 64}],
        [{"path": "x", "bytes": 1, "sha256": "0" * 64}],
    ],
)
def test_a_bad_manifest_is_422_and_adds_nothing(api, ana, dataset, files):
    told = api(ana).post(
        f"{BASE}/datasets/ro-corpus/versions", {"files": files}, content_type="application/json"
    )
    assert told.status_code == 422
    assert not Version.objects.exists()


def test_files_are_sent_to_be_kept_and_never_as_a_page(api, ana, version):
    sent = api(ana).get(f"{BASE}/datasets/ro-corpus/versions/1/files/page.html")
    assert sent.getvalue() == b"<script>"
    assert sent["Content-Type"] == "application/octet-stream"
    assert sent["Content-Disposition"] == 'attachment; filename="page.html"'
    assert sent["X-Content-Type-Options"] == "nosniff"
    assert sent["Content-Security-Policy"].startswith("sandbox")


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=0-3", 206, BODY[:4]),
        ("bytes=105-", 206, BODY[105:]),
        ("bytes=-4", 206, BODY[-4:]),
        ("bytes=0-999999", 206, BODY),
        ("bytes=5-2", 200, BODY),
        ("lines=1-2", 200, BODY),
        ("bytes=0-1,5-6", 200, BODY),
    ],
)
def test_a_range_of_a_file_is_sent(api, ana, version, asked, status, body):
    sent = api(ana).get(
        f"{BASE}/datasets/ro-corpus/versions/1/files/ro/a.txt", headers={"Range": asked}
    )
    assert (sent.status_code, sent.getvalue()) == (status, body)
    assert int(sent["Content-Length"]) == len(body)


def test_a_range_beyond_the_end_is_refused(api, ana, version):
    sent = api(ana).get(
        f"{BASE}/datasets/ro-corpus/versions/1/files/ro/a.txt", headers={"Range": "bytes=110-"}
    )
    assert (sent.status_code, sent.json()["code"]) == (416, "file.range.outside")
    assert sent["Content-Range"] == "bytes */110"


def test_a_file_one_has_is_not_sent_again(api, ana, version):
    client = api(ana)
    address = f"{BASE}/datasets/ro-corpus/versions/1/files/ro/a.txt"
    tag = client.get(address)["ETag"]
    again = client.get(address, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["nothing", "ro", "../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", "ro/a.txt/"]
)
def test_only_paths_of_the_manifest_are_files(api, ana, version, path):
    for base in (f"{BASE}/datasets/ro-corpus/versions/1/files/", "/datasets/ro-corpus/1/files/"):
        client = api(ana) if base.startswith("/api") else page(ana)
        assert client.get(base + path).status_code == 404


@pytest.mark.parametrize(
    "address",
    [
        "/datasets/ro-corpus",
        "/datasets/ro-corpus/versions/1",
        "/datasets/ro-corpus/versions/1/files/ro/a.txt",
    ],
)
def test_a_draft_is_404_for_strangers_and_401_for_nobody(api, version, stranger, auditor, address):
    assert api(stranger).get(BASE + address).status_code == 404
    assert api(auditor).get(BASE + address).status_code == 200
    assert api().get(BASE + address).status_code == 401


@pytest.mark.parametrize("verb", ["publish", "withdraw", "versions"])
def test_a_stranger_moves_nothing(api, version, dataset, stranger, verb):
    body = {"reason": "x", "files": []}
    told = api(stranger).post(
        f"{BASE}/datasets/ro-corpus/{verb}", body, content_type="application/json"
    )
    assert told.status_code == 404
    dataset.refresh_from_db()
    assert dataset.state == "draft"


def test_an_auditor_reads_and_changes_nothing(api, version, auditor):
    told = api(auditor).post(f"{BASE}/datasets/ro-corpus/publish")
    assert (told.status_code, told.json()["code"]) == (403, "dataset.publish.not_yours")


def test_licences_are_told_to_anyone(api):
    rows = api().get(f"{BASE}/licences").json()
    assert {"cc0-1.0", "cc-by-4.0", "gpl-2.0-or-later", "eupl-1.2"} <= {one["slug"] for one in rows}


@pytest.mark.parametrize("query", ["q=%00", "language=%00", "licence=%27", "limit=0", "cursor=x"])
def test_odd_filters_are_no_error_of_ours(api, ana, dataset, query):
    assert api(ana).get(f"{BASE}/datasets?{query}").status_code in {200, 404, 422}


def test_filters_find_by_words_language_licence_and_project(api, ana, register, project):
    register()
    register(slug="news", title="News", languages=["en"], licence="mit")
    client = api(ana)
    for query, slugs in {
        "q=stiri": ["ro-corpus"],
        "language=en": ["news", "ro-corpus"],
        "licence=mit": ["news"],
        f"project={project.code}": ["news", "ro-corpus"],
        "project=PRJ-XXXXXX": [],
    }.items():
        found = client.get(f"{BASE}/datasets?{query}").json()["items"]
        assert [one["slug"] for one in found] == slugs, query


@pytest.mark.parametrize("address", [f"{BASE}/datasets", "/datasets/"])
def test_a_list_costs_the_same_queries_for_one_and_three_rows(api, ana, register, send, address):
    def add(slug):
        row = register(slug=slug)
        actions.add_version(row, files=[send(ana, "a", slug.encode())], note="", by=ana, now=NOW)

    client = api(ana) if address.startswith("/api") else page(ana)
    add("one")
    client.get(address)
    with CaptureQueriesContext(connection) as one:
        assert client.get(address).status_code == 200
    add("two")
    add("three")
    with CaptureQueriesContext(connection) as three:
        assert client.get(address).status_code == 200
    assert len(three) == len(one)
    assert len(one) <= 8


def test_a_dataset_page_costs_the_same_queries_for_one_and_three_versions(
    ana, dataset, version, send
):
    client = page(ana)
    client.get("/datasets/ro-corpus/")
    with CaptureQueriesContext(connection) as one:
        assert client.get("/datasets/ro-corpus/").status_code == 200
    for name in ("x.txt", "y.txt"):  # a sample is shown of each: reading it costs a query
        files = [send(ana, name, name.encode())]
        actions.add_version(dataset, files=files, note=name, by=ana, now=NOW)
    with CaptureQueriesContext(connection) as three:
        assert client.get("/datasets/ro-corpus/").status_code == 200
    assert len(three) == len(one)


def test_published_data_is_a_page_for_everybody(version, dataset, ana):
    assert page(None).get("/datasets/ro-corpus/").status_code == 404
    actions.publish(dataset, by=ana, now=NOW)
    shown = page(None).get("/datasets/ro-corpus/").content.decode()
    assert "Știri românești" in shown
    assert "CC-BY-SA-3.0" in shown
    assert version.digest[:20] in shown
    assert "/datasets/ro-corpus/" in page(None).get("/datasets/").content.decode()


def test_what_a_person_wrote_is_shown_as_text(register, ana):
    register(slug="odd", title="<script>alert(1)</script>", description="<img src=x onerror=a()>")
    for address in ("/datasets/odd/", "/datasets/"):
        shown = page(ana).get(address).content.decode()
        assert "<script>alert" not in shown
        assert "<img src=x" not in shown
        assert "&lt;script&gt;alert(1)" in shown


def test_the_page_speaks_romanian(version, dataset, ana):
    client = page(ana)
    shown = client.get("/datasets/ro-corpus/", headers={"Accept-Language": "ro"}).content.decode()
    assert "Condiții" in shown
    assert "distribuiți ce rezultă sub aceeași licență" in shown
    assert "română" in shown


def test_the_lead_publishes_and_withdraws_on_the_page_with_a_reason(version, dataset, ana):
    client = page(ana)
    assert client.post("/datasets/ro-corpus/publish/").status_code == 302
    empty = client.post("/datasets/ro-corpus/withdraw/", {"reason": ""})
    assert empty.status_code == 422
    assert client.post("/datasets/ro-corpus/withdraw/", {"reason": "Asked."}).status_code == 302
    dataset.refresh_from_db()
    assert dataset.state == "withdrawn"


def test_a_page_says_no_in_words_when_a_draft_is_empty(dataset, ana):
    told = page(ana).post("/datasets/ro-corpus/publish/")
    assert told.status_code == 409
    assert "Add one, then publish" in told.content.decode()


def test_a_dataset_page_names_what_was_made_of_it_and_by_which_job(
    version, dataset, register, ana, tmp_path
):
    (tmp_path / "0.bin").write_bytes(b"\0\1")
    made = register(slug="ro-tokens")
    actions.add_version_from_folder(
        made,
        folder=tmp_path,
        note="",
        made_by_job="JOB-7Q3K2M",
        by=None,
        now=NOW,
        derived_from=[version],
        facts={"tokens": 123},
    )
    actions.stage(version, to=tmp_path / "in", by=ana, project=None, now=NOW, subject="JOB-7Q3K2M")
    source = page(ana).get("/datasets/ro-corpus/").content.decode()
    assert "/datasets/ro-tokens/" in source
    assert "/jobs/JOB-7Q3K2M/" in source
    target = page(ana).get("/datasets/ro-tokens/").content.decode()
    assert "ro-corpus@1" in target
    assert "123" in target


def test_the_bundle_of_a_model_is_not_a_dataset_for_any_door(api, register, ana, send):
    bundle = register(slug="m", kind=DatasetKind.MODEL)
    actions.add_version(bundle, files=[send(ana, "w", b"w")], note="", by=ana, now=NOW)
    assert api(ana).get(f"{BASE}/datasets/m").status_code == 404
    assert api(ana).get(f"{BASE}/datasets/m/versions/1").status_code == 404
    assert page(ana).get("/datasets/m/").status_code == 404
    assert page(ana).get("/datasets/m/1/files/w").status_code == 404
    assert api(ana).get(f"{BASE}/datasets").json()["items"] == []


def test_a_full_store_is_told_in_words_and_leaves_nothing(api, ana, org, monkeypatch):
    import errno
    import os

    def full(*_args):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    told = put(api(ana), BODY)
    monkeypatch.undo()
    assert (told.status_code, told.json()["code"]) == (507, "blob.upload.store_full")
    assert store().sweep(older_than_s=-1) == 0
    assert not Upload.objects.exists()


def test_a_large_upload_is_read_in_pieces(api, ana, org):
    """Ten mebibytes, four times what Django would hold of a body, pass without being held."""
    body = b"\0" * (10 << 20)
    assert put(api(ana), body).status_code == 201


def test_the_snippet_on_the_page_is_python(version, ana):
    import html
    import re

    shown = page(ana).get("/datasets/ro-corpus/").content.decode()
    snippet = html.unescape(
        re.search(r"<code[^>]*>(from uzina_client.*?)</code>", shown, re.DOTALL)[1]
    )
    compile(snippet, "page", "exec")
    assert len(snippet.splitlines()) == 3
