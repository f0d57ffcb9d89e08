"""Every verb: what changed, what was logged, and that a refusal changes nothing."""

import hashlib
import os

import pytest
from django.db import IntegrityError, connection, transaction

from uzina.catalogue import actions, queries
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Dataset, Licence, Staging, Upload, Version
from uzina.catalogue.rules import DatasetKind
from uzina.core.errors import Invalid, NotAllowed, Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.people import actions as people
from uzina.people.rules import MembershipKind

pytestmark = pytest.mark.django_db


def events(*subjects):
    rows = LogEntry.objects.filter(subject__in=subjects) if subjects else LogEntry.objects.all()
    return list(rows.order_by("seq").values_list("event", flat=True))


def codes(refused):
    return [(one.field, one.code) for one in refused.value.problems]


def test_licences_are_written_once_and_mended_when_the_file_changes():
    Licence.objects.all().delete()
    assert actions.seed_licences(now=NOW) == len(queries.shipped_licences())
    assert actions.seed_licences(now=NOW) == 0
    Licence.objects.filter(slug="mit").update(title_en="Wrong")
    assert actions.seed_licences(now=NOW) == 1
    assert Licence.objects.get(slug="mit").title_en == "MIT License"
    assert all(one.plain_en and one.plain_ro and one.title_ro for one in queries.licences())


def test_a_member_registers_a_draft(register, ana):
    dataset = register()
    assert (dataset.state, dataset.language_codes) == ("draft", ["ro", "en"])
    assert events("ro-corpus") == ["dataset.registered"]
    assert LogEntry.objects.get(event="dataset.registered").actor == ana.code


def test_every_mistake_of_a_registration_is_told_and_nothing_is_kept(register):
    with pytest.raises(Invalid) as refused:
        register(slug="Bad Slug", title="", licence="made-up", languages=["xx"])
    assert codes(refused) == [
        ("slug", "dataset.slug.form"),
        ("title", "text.empty"),
        ("languages.0", "dataset.languages.unknown"),
        ("licence", "dataset.licence.unknown"),
    ]
    assert not Dataset.objects.exists()


def test_a_name_is_taken_once(register):
    register()
    with pytest.raises(Invalid) as refused:
        register()
    assert codes(refused) == [("slug", "dataset.slug.taken")]


def test_a_stranger_cannot_register_in_a_project(register, stranger):
    with pytest.raises(NotAllowed) as refused:
        register(by=stranger)
    assert refused.value.code == "dataset.register.not_yours"
    assert not Dataset.objects.exists()


def test_a_project_cannot_hold_data_of_another_organisation(register, stranger, ana):
    other = people.register_organisation(
        people.OrganisationFacts(name="Alta SRL", kind="sme", country="RO"), by=stranger, now=NOW
    )
    with pytest.raises(NotAllowed):
        register(holder=other)


def test_a_closed_project_takes_no_data(register, project):
    project.state = "closed"
    project.save()
    project.refresh_from_db()
    with pytest.raises(Refused) as refused:
        register(project=project)
    assert refused.value.code == "dataset.register.project_closed"


def test_an_upload_is_kept_under_its_checksum_once_per_person(ana, org, send):
    row = send(ana, "a", b"text")
    send(ana, "a", b"text")
    assert store().size(row["sha256"]) == 4
    assert Upload.objects.count() == 1
    assert events(row["sha256"]) == ["blob.uploaded"]


def test_an_upload_with_a_wrong_checksum_leaves_nothing(ana, org):
    with pytest.raises(Invalid) as refused:
        actions.upload("0" * 64, iter([b"text"]), size=4, by=ana, now=NOW)
    assert refused.value.code == "blob.upload.wrong_checksum"
    assert (Upload.objects.count(), store().size("0" * 64)) == (0, None)
    assert store().sweep(older_than_s=-1) == 0


@pytest.mark.parametrize(("sha256", "size"), [("x" * 64, 4), ("0" * 64, -1), ("0" * 63, 4)])
def test_an_upload_without_checksum_or_length_is_refused_before_it_is_read(ana, org, sha256, size):
    def never():
        pytest.fail("read")
        yield b""

    with pytest.raises(Refused) as refused:
        actions.upload(sha256, never(), size=size, by=ana, now=NOW)
    assert refused.value.code == "blob.upload.form"


def test_somebody_who_belongs_nowhere_cannot_fill_the_disk(stranger, send):
    with pytest.raises(NotAllowed) as refused:
        send(stranger, "a", b"text")
    assert refused.value.code == "blob.upload.not_allowed"


def test_a_version_names_files_by_their_checksums_and_is_logged(version, dataset):
    assert (version.number, version.file_count, version.bytes) == (1, 2, 118)
    assert version.digest == "sha256:" + hashlib.sha256(_canonical(version)).hexdigest()
    assert [one["path"] for one in version.manifest] == ["page.html", "ro/a.txt"]
    entry = LogEntry.objects.get(event="version.added")
    assert (entry.subject, entry.facts["digest"]) == ("ro-corpus@1", version.digest)


def _canonical(version):
    from uzina.catalogue import rules

    return rules.canonical(version.files)


def test_versions_are_numbered_and_the_same_content_is_not_added_twice(dataset, version, ana, send):
    with pytest.raises(Refused) as refused:
        actions.add_version(dataset, files=version.manifest, note="", by=ana, now=NOW)
    assert refused.value.code == "version.add.nothing_new"
    more = [*version.manifest, send(ana, "new", b"new")]
    second = actions.add_version(dataset, files=more, note="One more.", by=ana, now=NOW)
    assert second.reference == "ro-corpus@2"


def test_a_version_of_bytes_that_are_not_there_or_of_another_size_is_refused(dataset, ana, send):
    row = send(ana, "a", b"text")
    with pytest.raises(Invalid) as refused:
        actions.add_version(
            dataset,
            files=[row | {"bytes": 5}, {"path": "b", "bytes": 1, "sha256": "0" * 64}],
            note="",
            by=ana,
            now=NOW,
        )
    assert codes(refused) == [
        ("files.0", "version.blob.missing"),
        ("files.1", "version.blob.missing"),
    ]
    assert not Version.objects.exists()
    assert "version.added" not in events()


def test_knowing_a_checksum_is_not_enough_to_be_given_the_file(
    version, dataset, stranger, operator, register
):
    """A stranger with a project of his own names the checksum of Ana's file."""
    home = people.register_organisation(
        people.OrganisationFacts(name="Alta SRL", kind="sme", country="RO"), by=stranger, now=NOW
    )
    his = actions.register_dataset(
        slug="his",
        title="His",
        description="His.",
        licence="mit",
        languages=["ro"],
        holder=home,
        project=None,
        by=stranger,
        now=NOW,
    )
    with pytest.raises(Invalid) as refused:
        actions.add_version(his, files=version.manifest, note="", by=stranger, now=NOW)
    assert {code for _field, code in codes(refused)} == {"version.blob.missing"}


def test_another_member_builds_on_what_the_dataset_holds_already(
    version, dataset, project, ana, stranger, send
):
    people.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    files = [*version.manifest, send(stranger, "more", b"more")]
    assert actions.add_version(dataset, files=files, note="More.", by=stranger, now=NOW).number == 2


def test_a_stranger_adds_nothing(version, dataset, stranger):
    with pytest.raises(NotAllowed) as refused:
        actions.add_version(dataset, files=version.manifest, note="", by=stranger, now=NOW)
    assert refused.value.code == "version.add.not_yours"


@pytest.mark.parametrize(
    "change",
    [
        {"manifest": []},
        {"digest": "sha256:" + "0" * 64},
        {"bytes": 1},
        {"number": 7},
        {"note": "Better."},
        {"facts": {"tokens": 1}},
        {"made_by_job": "JOB-AAAAAA"},
        {"created_at": NOW.replace(year=2020)},
    ],
)
def test_the_database_refuses_to_change_a_version(version, change):
    with pytest.raises(IntegrityError), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(**change)
    before = version.digest
    version.refresh_from_db()
    assert version.digest == before


def test_the_database_keeps_a_version_that_something_was_made_from(version):
    def delete():
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("DELETE FROM catalogue_dataset WHERE id = %s", [version.dataset_id])
            connection.check_constraints()

    with pytest.raises(IntegrityError):
        delete()


def test_a_folder_becomes_a_version_and_the_same_job_makes_it_once(dataset, version, tmp_path):
    folder = tmp_path / "export"
    (folder / "shards").mkdir(parents=True)
    (folder / "shards" / "0.bin").write_bytes(b"\0" * 1000)
    (folder / "report.json").write_text("{}")
    made = [
        actions.add_version_from_folder(
            dataset,
            folder=folder,
            note="Prepared.",
            made_by_job="JOB-7Q3K2M",
            by=None,
            now=NOW,
            derived_from=[version],
            facts={"tokens": 500},
        )
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert [one.path for one in made[0].files] == ["report.json", "shards/0.bin"]
    assert list(made[0].derived_from.all()) == [version]
    assert events("ro-corpus@2") == ["version.added"]


def test_a_link_in_a_folder_is_refused_so_no_job_can_publish_the_machines_files(dataset, tmp_path):
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "passwd").symlink_to("/etc/passwd")
    with pytest.raises(Refused) as refused:
        actions.keep_folder(folder)
    assert refused.value.code == "version.folder.odd"
    (folder / "passwd").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(Refused):
        actions.keep_folder(folder)


def test_a_folder_that_is_itself_a_link_is_refused(tmp_path):
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "key").write_text("k")
    (tmp_path / "export").symlink_to(tmp_path / "secret")
    with pytest.raises(Refused) as refused:
        actions.keep_folder(tmp_path / "export")
    assert refused.value.code == "version.folder.odd"


def test_an_empty_folder_is_no_version(dataset, tmp_path):
    with pytest.raises(Invalid):
        actions.add_version_from_folder(
            dataset, folder=tmp_path, note="", made_by_job="", by=None, now=NOW
        )


def test_the_lead_publishes_what_has_a_version(dataset, version, ana):
    published = actions.publish(dataset, by=ana, now=NOW)
    assert (published.state, published.published_at) == ("published", NOW)
    with pytest.raises(Refused) as refused:
        actions.publish(dataset, by=ana, now=NOW)
    assert refused.value.code == "dataset.publish.not_now"
    assert events("ro-corpus").count("dataset.published") == 1


def test_an_empty_dataset_is_not_published(dataset, ana):
    with pytest.raises(Refused) as refused:
        actions.publish(dataset, by=ana, now=NOW)
    assert refused.value.code == "dataset.publish.empty"


def test_a_member_who_does_not_lead_cannot_publish(dataset, version, project, ana, stranger):
    people.add_member(project, stranger, kind=MembershipKind.MEMBER, by=ana, now=NOW)
    with pytest.raises(NotAllowed) as refused:
        actions.publish(dataset, by=stranger, now=NOW)
    assert refused.value.code == "dataset.publish.not_yours"
    dataset.refresh_from_db()
    assert dataset.state == "draft"


def test_withdrawn_data_takes_no_new_use_but_keeps_its_versions(dataset, version, ana, tmp_path):
    actions.publish(dataset, by=ana, now=NOW)
    with pytest.raises(Invalid):
        actions.withdraw(dataset, reason=" ", by=ana, now=NOW)
    actions.withdraw(dataset, reason="The holder asked.", by=ana, now=NOW)
    with pytest.raises(Refused) as staged:
        actions.stage(queries.version("ro-corpus", 1), to=tmp_path, by=ana, project=None, now=NOW)
    with pytest.raises(Refused) as added:
        actions.add_version(dataset, files=version.manifest, note="", by=ana, now=NOW)
    assert (staged.value.code, added.value.code) == ("version.use.withdrawn", "version.add.not_now")
    assert Version.objects.count() == 1


def test_staging_lays_the_files_out_read_only_and_notes_the_use(version, ana, tmp_path):
    for _ in range(2):
        count = actions.stage(
            version, to=tmp_path / "in", by=ana, project=None, now=NOW, subject="JOB-7Q3K2M"
        )
    text = tmp_path / "in" / "ro" / "a.txt"
    assert count == version.bytes
    assert text.read_bytes().startswith(b"Bun")
    assert text.stat().st_mode & 0o222 == 0
    assert Staging.objects.get().subject == "JOB-7Q3K2M"
    assert events("ro-corpus@1").count("version.staged") == 1


def test_a_half_staged_file_is_laid_anew(version, ana, tmp_path):
    (tmp_path / "ro").mkdir()
    (tmp_path / "ro" / "a.txt").write_bytes(b"half")
    actions.stage(version, to=tmp_path, by=ana, project=None, now=NOW)
    assert len((tmp_path / "ro" / "a.txt").read_bytes()) == 110


@pytest.mark.parametrize("is_link", [False, True])
def test_other_bytes_of_the_right_size_are_no_staged_file(version, ana, tmp_path, is_link):
    right = next(one for one in version.files if one.path == "ro/a.txt")
    place = tmp_path / "in" / "ro" / "a.txt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"x" * right.bytes)
    if is_link:
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    actions.stage(version, to=tmp_path / "in", by=ana, project=None, now=NOW)
    assert hashlib.sha256(place.read_bytes()).hexdigest() == right.sha256
    assert not place.is_symlink()
    before = place.stat().st_ino
    actions.stage(version, to=tmp_path / "in", by=ana, project=None, now=NOW)
    assert place.stat().st_ino == before


def test_a_stranger_cannot_stage_a_draft_and_is_not_told_that_it_exists(
    version, stranger, tmp_path
):
    with pytest.raises(Refused) as refused:
        actions.stage(version, to=tmp_path / "in", by=stranger, project=None, now=NOW)
    assert refused.value.code == "version.find.unknown"
    assert not (tmp_path / "in").exists()


def test_a_version_opened_alone_is_seen_by_all_while_its_neighbours_are_not(
    version, dataset, ana, send, stranger
):
    files = [send(ana, "x", b"x")]
    second = actions.add_version(dataset, files=files, note="Other files.", by=ana, now=NOW)
    actions.open_version(second, by=None, now=NOW)
    seen = Version.objects.visible_to(stranger)
    assert list(seen.values_list("number", flat=True)) == [2]
    actions.close_version(second, by=None, now=NOW)
    assert not seen.exists()


def test_the_bundle_of_a_model_is_never_public_as_data(register, ana, send, stranger):
    bundle = register(slug="model", kind=DatasetKind.MODEL)
    actions.add_version(bundle, files=[send(ana, "w", b"w")], note="", by=ana, now=NOW)
    actions.publish(bundle, by=ana, now=NOW)
    assert not Dataset.objects.visible_to(stranger).exists()


def test_unknown_and_hidden_versions_are_refused_alike(version, stranger):
    with pytest.raises(Refused) as unknown:
        queries.usable_version(stranger, "nothing", 1, project=None, now=NOW)
    with pytest.raises(Refused) as hidden:
        queries.usable_version(stranger, "ro-corpus", 1, project=None, now=NOW)
    assert unknown.value.code == hidden.value.code == "version.find.unknown"


def test_a_check_finds_bytes_that_are_gone_and_a_manifest_that_does_not_fit(version):
    assert queries.check_versions() == []
    gone = version.files[0]
    next(store().objects.rglob(gone.sha256)).unlink()
    assert queries.check_versions() == [f"ro-corpus@1: {gone.path} is missing or has another size."]


def test_search_finds_words_without_diacritics_languages_whole_and_licences(register):
    register(slug="stiri", title="Ştiri din presă", languages=["ro"])
    register(slug="news", title="News", languages=["en", "eu"])
    found = Dataset.objects.about("stiri PRESA")
    assert [one.slug for one in found] == ["stiri"]
    assert [one.slug for one in Dataset.objects.in_language("eu")] == ["news"]
    assert not Dataset.objects.in_language("e")
    assert Dataset.objects.about("").count() == 2
