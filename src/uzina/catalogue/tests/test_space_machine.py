"""Anything anybody may do with spaces, in any order: the sums stay what their rows amount to."""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from uzina.catalogue.actions import filing, keeping, spaces
from uzina.catalogue.adapters import store
from uzina.catalogue.models import Item, Reservation, Space
from uzina.catalogue.queries import spaces as queries
from uzina.catalogue.tests.test_spaces import kept
from uzina.core.errors import Refused
from uzina.core.tests import NOW

PATHS = st.sampled_from(["a", "b", "a/x", "a/y", "b/x/z", "c"])
SIZES = st.integers(0, 40)
QUOTA, FILES = 100, 6


class _Undo(Exception):
    """Ends a try without a trace."""


class Machine(RuleBasedStateMachine):
    """Two small spaces of one project."""

    project = person = None
    keys = Bundle("keys")

    def __init__(self):
        super().__init__()
        self.outer = transaction.atomic()
        self.outer.__enter__()
        self.now, self.count, self.steps = NOW, 0, 0
        self.project.ends_at = NOW + timedelta(days=90)
        self.project.save()
        made = spaces.follow_project(self.project, now=NOW)
        self.spaces = {one.kind: one for one in made}
        Space.objects.update(byte_quota=QUOTA, byte_limit=QUOTA, file_quota=FILES, file_limit=FILES)

    def teardown(self):
        try:
            assert queries.check_spaces().problems == []
        finally:
            self.outer.__exit__(_Undo, _Undo(), None)

    def attempt(self, verb, *args, **kwargs):
        """Do it or be refused; a refusal leaves no trace."""
        before = state()
        try:
            return verb(*args, now=self.now, **kwargs)
        except Refused:
            assert state() == before
            return None

    @rule(target=keys, kind=st.sampled_from(["scratch", "project"]), size=SIZES)
    def reserve(self, kind, size):
        self.count += 1
        key = f"k{self.count}"
        self.attempt(spaces.reserve, self.spaces[kind], size=size, key=key, by=self.person)
        return key

    @rule(key=keys, path=PATHS, size=SIZES)
    def settle(self, key, path, size):
        body = bytes([65 + size % 5]) * size
        self.attempt(spaces.settle, key, files=[kept(path, body)], by=self.person)

    @rule(key=keys)
    def release(self, key):
        self.attempt(spaces.release, key)

    @rule(kind=st.sampled_from(["scratch", "project"]), path=PATHS, size=SIZES)
    def put(self, kind, path, size):
        body = bytes([65 + size % 5]) * size
        self.attempt(spaces.put_files, self.spaces[kind], [kept(path, body)], by=self.person)

    @rule(kind=st.sampled_from(["scratch", "project"]), path=PATHS)
    def trash(self, kind, path):
        self.attempt(filing.trash, self.spaces[kind], [path], by=self.person)

    @rule(kind=st.sampled_from(["scratch", "project"]), data=st.data())
    def restore(self, kind, data):
        trashed = list(Item.objects.trashed().filter(space=self.spaces[kind]).order_by("pk"))
        if trashed:
            one = data.draw(st.sampled_from([row.pk for row in trashed]))
            self.attempt(filing.restore, self.spaces[kind], [one], by=self.person)

    @rule(
        kind=st.sampled_from(["scratch", "project"]),
        into=st.sampled_from(["scratch", "project"]),
        path=PATHS,
        to=PATHS,
    )
    def move(self, kind, into, path, to):
        self.attempt(
            filing.move, self.spaces[kind], path, to=to, into=self.spaces[into], by=self.person
        )

    @rule(days=st.integers(1, 8))
    def wait(self, days):
        self.now += timedelta(days=days)
        for space in self.spaces.values():
            keeping.tidy_scratch(space, now=self.now)
            keeping.purge_trash(space, now=self.now)
        spaces.release_stale(now=self.now)

    @rule()
    def remove(self):
        keeping.remove_bytes(now=self.now)

    @rule(kind=st.sampled_from(["scratch", "project"]), size=st.sampled_from([0, 30, QUOTA]))
    def resize(self, kind, size):
        (space,) = spaces.locked(self.spaces[kind].pk)
        space.byte_quota = size
        spaces.lower_limit(space)
        space.save()

    @invariant()
    def sums_are_what_their_rows_amount_to(self):
        """Looked at after every fourth step and at the end: a sum that is wrong stays wrong."""
        self.steps += 1
        if self.steps % 4 == 0:
            assert queries.check_spaces().problems == []

    @invariant()
    def what_is_there_has_its_bytes_and_nothing_is_a_file_and_a_folder(self):
        live = {}
        rows = Item.objects.values_list("space", "path", "sha256", "bytes", "trashed_at")
        for space, path, sha256, size, trashed_at in rows:
            assert store().size(sha256) == size
            if trashed_at is None:
                live.setdefault(space, set()).add(path)
        for paths in live.values():
            assert not any(one.startswith(f"{other}/") for one in paths for other in paths)


def state():
    return (
        list(Space.objects.order_by("pk").values()),
        list(Item.objects.order_by("pk").values()),
        list(Reservation.objects.order_by("pk").values()),
    )


@pytest.mark.django_db
def test_the_sums_hold_through_everything_anybody_does(project, ana):
    Machine.project, Machine.person = project, ana
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=10,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
