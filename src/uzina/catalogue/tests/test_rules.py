"""Names, manifests and their digest."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uzina.catalogue import rules
from uzina.catalogue.rules import DatasetState as State
from uzina.core.errors import Invalid, Refused

SHA = "a" * 64


@pytest.fixture(autouse=True)
def licences():
    """Nothing here touches the database."""


def row(path, size=1, sha256=SHA, **more):
    return {"path": path, "bytes": size, "sha256": sha256, **more}


def problems_of(files):
    with pytest.raises(Invalid) as refused:
        rules.manifest(files)
    return [(one.field, one.code) for one in refused.value.problems]


def test_digest_is_that_of_the_canonical_manifest_anyone_can_rebuild():
    files = rules.manifest([row("b.txt", 2), row("a/ș.jsonl", 1)])
    by_hand = json.dumps(
        [
            {"bytes": 1, "media_type": "application/jsonl", "path": "a/ș.jsonl", "sha256": SHA},
            {"bytes": 2, "media_type": "text/plain", "path": "b.txt", "sha256": SHA},
        ],
        ensure_ascii=False,
        separators=(",", ":"),
    )
    assert rules.canonical(files).decode() == by_hand
    assert rules.digest(files) == "sha256:" + hashlib.sha256(by_hand.encode()).hexdigest()


@given(st.permutations([row("a"), row("b/c"), row("b/d"), row("z")]))
def test_digest_does_not_depend_on_the_order_files_are_given_in(files):
    assert rules.digest(rules.manifest(files)) == rules.digest(
        rules.manifest([row("a"), row("b/c"), row("b/d"), row("z")])
    )


@given(st.integers(0, 10**12), st.sampled_from(["a", "a/b"]), st.sampled_from([SHA, "b" * 64]))
def test_any_change_of_a_file_changes_the_digest(size, path, sha256):
    one = rules.manifest([row("a", 7, SHA)])
    other = rules.manifest([row(path, size, sha256)])
    assert (rules.digest(one) == rules.digest(other)) == ((path, size, sha256) == ("a", 7, SHA))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../secret",
        "a/../../secret",
        "a/./b",
        "a//b",
        "a/",
        "a\\b",
        "C:/windows",
        "a\0b",
        "a\nb",
        "a\u202eb",
        "a\u200bb",
        "s\u0326",
        "x" * 256,
        "x/" * 600 + "x",
    ],
)
def test_a_path_that_could_surprise_is_refused(path):
    assert ("files.0.path", "version.path.unsafe") in problems_of([row(path)])


@pytest.mark.parametrize("path", ["a", "a/b.txt", "…/ș ț.txt", "x" * 255, ".hidden", "-rf", "a..b"])
def test_a_plain_path_is_taken(path):
    assert rules.manifest([row(path)])[0].path == path


@given(st.text(max_size=40))
def test_no_path_that_is_taken_leads_out_of_its_folder(path):
    if not rules.path_problem(path):
        names = path.split("/")
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(names)
        assert "\0" not in path


def test_every_mistake_of_a_manifest_is_told_at_once():
    found = problems_of(
        [
            row("../a"),
            row("b", -1),
            row("c", True),
            row("d", 1, "A" * 64),
            row("e", media_type="no type"),
            row("f"),
            row("f"),
            row("f/g"),
            {"bytes": 1, "sha256": SHA},
        ]
    )
    assert found == [
        ("files.0.path", "version.path.unsafe"),
        ("files.1.bytes", "version.bytes.range"),
        ("files.2.bytes", "version.bytes.range"),
        ("files.3.sha256", "version.sha256.form"),
        ("files.4.media_type", "version.media_type.form"),
        ("files.6.path", "version.path.twice"),
        ("files.8.path", "version.path.unsafe"),
        ("files.7.path", "version.path.file_and_folder"),
    ]


@pytest.mark.parametrize("count", [0, rules.MOST_FILES + 1])
def test_a_version_has_at_least_one_file_and_not_too_many(count):
    files = [row(f"f{at}") for at in range(count)]
    assert problems_of(files) == [("files", "version.files.count")]


def test_the_largest_file_is_taken_and_one_byte_more_is_not():
    assert rules.manifest([row("a", rules.LARGEST_FILE)])
    assert problems_of([row("a", rules.LARGEST_FILE + 1)]) == [
        ("files.0.bytes", "version.bytes.range")
    ]


@pytest.mark.parametrize("slug", ["a", "ro-corpus", "a" * 63, "1"])
def test_a_slug_of_small_letters_is_taken(slug):
    rules.check_slug(slug)


@pytest.mark.parametrize("slug", ["", "-a", "a-", "A", "a_b", "ă", "a" * 64, "a b", "a\n"])
def test_a_slug_that_would_not_survive_an_address_is_refused(slug):
    with pytest.raises(Invalid):
        rules.check_slug(slug)


def test_a_reference_names_dataset_and_version():
    assert rules.parse_reference("ro-corpus@3") == ("ro-corpus", 3)


@pytest.mark.parametrize(
    "text", ["ro-corpus", "ro-corpus@0", "ro-corpus@-1", "@1", "a@1@2", "a@1 "]
)
def test_a_reference_in_another_form_is_refused(text):
    with pytest.raises(Refused) as refused:
        rules.parse_reference(text)
    assert refused.value.code == "version.reference.form"


@pytest.mark.parametrize(
    ("written", "searched"),
    [("Știri", "stiri"), ("Ştiri  ÎN țară", "stiri in tara"), ("ﬁ", "fi")],
)
def test_search_minds_neither_case_nor_diacritics(written, searched):
    assert rules.folded(written) == searched


def test_a_dataset_is_published_once_and_withdrawn_for_good():
    assert rules.DATASET.after("publish", State.DRAFT) is State.PUBLISHED
    assert rules.DATASET.after("withdraw", State.PUBLISHED) is State.WITHDRAWN
    for verb, state in (
        ("publish", State.PUBLISHED),
        ("publish", State.WITHDRAWN),
        ("withdraw", State.WITHDRAWN),
    ):
        with pytest.raises(Refused, match="Cannot"):
            rules.DATASET.after(verb, state)
