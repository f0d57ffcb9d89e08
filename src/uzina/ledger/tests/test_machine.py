"""Any sequence of verbs, played on the books and on a small model of them beside each other.

The model knows sums only: no accounts, no postings. After every step both say the same, and
the proof of the books finds nothing.
"""

from datetime import timedelta

import pytest
from django.db import transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)

from uzina.core.errors import Refused
from uzina.core.models import LogEntry
from uzina.core.tests import NOW
from uzina.ledger import actions, queries, tasks
from uzina.ledger.models import Account, Transfer
from uzina.ledger.rules import Charge

STEPS, STEPS_EACH = 2000, 80
BUDGET = 1000
amounts = st.integers(1, 120)
uses = st.integers(0, 150)
charges = st.integers(-80, 120).filter(bool)


class Model:
    """What an allocation should look like."""

    def __init__(self, row, granted, ends_at):
        self.row, self.granted, self.ends_at = row, granted, ends_at
        self.state = "active"
        self.free, self.held, self.spent, self.expired, self.overrun = granted, 0, 0, 0, 0
        self.overdraft = self.charged = self.settled = self.refunded = 0

    def end(self):
        self.state = "ended"
        self.expired, self.free = self.expired + self.free, 0

    def take(self, amount):
        """Take what is left of an amount, and return what could not be taken."""
        if self.state == "ended":
            taken = min(amount, self.expired)
            self.expired -= taken
        else:
            taken = min(amount, self.free)
            self.free -= taken
        return amount - taken

    def charge(self, amount):
        if amount > 0:
            self.overrun += self.take(amount)
            self.spent += amount
            self.charged += amount
            return amount
        back = min(-amount, self.spent)
        undone = min(back, self.overrun)
        self.overrun -= undone
        self.spent -= back
        self.charged -= back
        self.give_back(back - undone)
        return -back

    def give_back(self, amount):
        if self.state == "ended":
            self.expired += amount
        else:
            self.free += amount


class HoldModel:
    """What a hold should look like."""

    def __init__(self, row, allocation, amount):
        self.row, self.allocation, self.amount = row, allocation, amount
        self.settled = None


class Ledger(RuleBasedStateMachine):
    allocations = Bundle("allocations")
    holds = Bundle("holds")
    played = 0
    world = {}
    calls = ()

    @initialize()
    def open_books(self):
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.now = NOW
        self.count = 0
        self.known, self.calls = [], []
        self.operator, self.project = self.world["operator"], self.world["project"]
        self.left = BUDGET
        self.capacity = actions.open_capacity(
            owner="CAL-1",
            title="",
            resource=queries.gpu_hours(),
            amount=BUDGET,
            key="open",
            by=None,
            now=self.now,
        )

    def teardown(self):
        if hasattr(self, "atomic"):
            transaction.set_rollback(True)
            self.atomic.__exit__(None, None, None)

    def key(self):
        self.count += 1
        return f"k{self.count}"

    def refused(self, code, call, *args, **kwargs):
        """Expect this refusal, and that it leaves no trace."""
        before = Transfer.objects.count(), LogEntry.objects.count()
        with pytest.raises(Refused) as refused:
            call(*args, **kwargs)
        assert refused.value.code == code
        assert (Transfer.objects.count(), LogEntry.objects.count()) == before

    def done(self, call, *args, **kwargs):
        """Do it, and remember it for a client whose connection broke."""
        found = call(*args, **kwargs)
        self.calls.append((call, args, kwargs, found))
        return found

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def repeat(self, data):
        """Any call made before gives what it gave then, whatever has happened since."""
        call, args, kwargs, found = data.draw(st.sampled_from(self.calls))
        before = Transfer.objects.count(), LogEntry.objects.count()
        assert call(*args, **kwargs) == found
        assert (Transfer.objects.count(), LogEntry.objects.count()) == before

    @rule(amount=amounts)
    def fund(self, amount):
        asked = {"amount": amount, "reason": "", "key": self.key(), "by": None, "now": self.now}
        self.done(actions.fund, self.capacity, **asked)
        self.left += amount

    @rule(target=allocations, amount=amounts, days=st.integers(1, 10))
    def grant(self, amount, days):
        ends_at = self.now + timedelta(days=days)
        asked = {
            "capacity": self.capacity,
            "amount": amount,
            "starts_at": self.now,
            "ends_at": ends_at,
            "key": self.key(),
            "by": None,
            "now": self.now,
        }
        if amount > self.left:
            self.refused("allocation.grant.too_big", actions.grant, self.project, **asked)
            return multiple()
        row = self.done(actions.grant, self.project, **asked)
        self.left -= amount
        model = Model(row, amount, ends_at)
        self.known.append(model)
        return model

    @rule(allocation=allocations, amount=amounts)
    def top_up(self, allocation, amount):
        asked = {
            "amount": amount,
            "reason": "More",
            "key": self.key(),
            "by": self.operator,
            "now": self.now,
        }
        if allocation.state == "ended":
            code = "allocation.top_up.ended"
        elif amount > self.left:
            code = "allocation.grant.too_big"
        else:
            self.done(actions.top_up, allocation.row, **asked)
            self.left -= amount
            allocation.granted += amount
            allocation.free += amount
            return
        self.refused(code, actions.top_up, allocation.row, **asked)

    @rule(allocation=allocations, amount=amounts)
    def reduce(self, allocation, amount):
        asked = {
            "amount": amount,
            "reason": "Less",
            "key": self.key(),
            "by": self.operator,
            "now": self.now,
        }
        if allocation.state == "ended":
            code = "allocation.reduce.ended"
        elif amount > allocation.free:
            code = "allocation.reduce.too_big"
        else:
            self.done(actions.reduce, allocation.row, **asked)
            self.left += amount
            allocation.granted -= amount
            allocation.free -= amount
            return
        self.refused(code, actions.reduce, allocation.row, **asked)

    @rule(allocation=allocations, amount=amounts)
    def refund(self, allocation, amount):
        asked = {
            "amount": amount,
            "reason": "Ours",
            "key": self.key(),
            "by": self.operator,
            "now": self.now,
        }
        if allocation.state == "ended":
            code = "allocation.refund.ended"
        elif amount > allocation.spent - allocation.overrun:
            code = "allocation.refund.too_big"
        else:
            self.done(actions.refund, allocation.row, **asked)
            allocation.spent -= amount
            allocation.refunded += amount
            allocation.free += amount
            return
        self.refused(code, actions.refund, allocation.row, **asked)

    @rule(allocation=allocations, amount=amounts)
    def overdraw(self, allocation, amount):
        asked = {
            "amount": amount,
            "reason": "Signed",
            "key": self.key(),
            "by": self.operator,
            "now": self.now,
        }
        if allocation.state == "ended":
            code = "allocation.overdraw.ended"
            self.refused(code, actions.overdraw, allocation.row, **asked)
            return
        self.done(actions.overdraw, allocation.row, **asked)
        allocation.overdraft += amount
        allocation.free += amount

    @rule(some=st.lists(st.tuples(allocations, charges), min_size=1, max_size=8))
    def charge(self, some):
        """Charges and corrections of several allocations in one call, late ones among them."""
        asked = [Charge(one.row, amount, self.key(), "CLU-1", "Row") for one, amount in some]
        found = actions.charge(asked, by=None, now=self.now)
        for (one, amount), transfer in zip(some, found, strict=True):
            assert bool(one.charge(amount)) == (transfer is not None)
        if None not in found:
            self.calls.append((actions.charge, (asked,), {"by": None, "now": self.now}, found))

    @rule(target=holds, allocation=allocations, amount=amounts)
    def hold(self, allocation, amount):
        asked = {
            "amount": amount,
            "subject": "JOB-1",
            "key": self.key(),
            "by": None,
            "now": self.now,
        }
        if self.now >= allocation.ends_at:
            code = "allocation.hold.outside_period"
        elif allocation.state != "active":
            code = "allocation.hold.not_active"
        elif amount > allocation.free:
            code = "allocation.hold.too_big"
        else:
            row = self.done(actions.hold, allocation.row, **asked)
            other = asked | {"amount": amount + 1}
            self.refused("transfer.post.key_reused", actions.hold, allocation.row, **other)
            allocation.free -= amount
            allocation.held += amount
            return HoldModel(row, allocation, amount)
        self.refused(code, actions.hold, allocation.row, **asked)
        return multiple()

    @rule(hold=holds, used=uses)
    def settle(self, hold, used):
        if hold.settled not in {None, used}:
            self.refused(
                "hold.settle.already", actions.settle, hold.row, used=used, by=None, now=self.now
            )
            return
        found = self.done(actions.settle, hold.row, used=used, by=None, now=self.now)
        assert found.spent == used
        self.book(hold, used)

    def book(self, hold, used):
        if hold.settled is not None:
            return
        hold.settled = used
        allocation = hold.allocation
        allocation.held -= hold.amount
        allocation.spent += used
        allocation.settled += used
        allocation.overrun += allocation.take(max(0, used - hold.amount))
        allocation.give_back(max(0, hold.amount - used))

    @rule(some=st.lists(st.tuples(holds, uses), max_size=6, unique_by=lambda one: id(one[0])))
    def settle_many(self, some):
        measured = [(hold, used if hold.settled is None else hold.settled) for hold, used in some]
        pairs = [(hold.row, used) for hold, used in measured]
        found = self.done(actions.settle_many, pairs, by=None, now=self.now)
        assert [one.spent for one in found] == [used for _hold, used in measured]
        for hold, used in measured:
            self.book(hold, used)

    @rule(hold=holds)
    def void(self, hold):
        asked = {"reason": "Cancelled", "key": self.key(), "by": None, "now": self.now}
        if hold.settled:
            self.refused("hold.void.already_settled", actions.void, hold.row, **asked)
            return
        self.done(actions.void, hold.row, **asked)
        self.book(hold, 0)

    @rule(allocation=allocations)
    def freeze(self, allocation):
        self.turn("freeze", allocation, "active", "frozen")

    @rule(allocation=allocations)
    def thaw(self, allocation):
        self.turn("thaw", allocation, "frozen", "active")

    def turn(self, verb, allocation, source, target):
        asked = {"reason": "Because", "by": self.operator, "now": self.now}
        if allocation.state != source:
            call = getattr(actions, verb)
            self.refused(f"allocation.{verb}.not_now", call, allocation.row, **asked)
            return
        getattr(actions, verb)(allocation.row, **asked)
        allocation.state = target

    @rule(allocation=allocations)
    def expire(self, allocation):
        asked = {"reason": "Closed", "key": self.key(), "by": self.operator, "now": self.now}
        if allocation.state == "ended":
            self.refused("allocation.expire.not_now", actions.expire, allocation.row, **asked)
            return
        actions.expire(allocation.row, **asked)
        allocation.end()

    @rule(days=st.integers(0, 4))
    def pass_time(self, days):
        self.now += timedelta(days=days)
        tasks.watch(now=self.now)
        for allocation in self.known:
            if self.now >= allocation.ends_at and allocation.state != "ended":
                allocation.end()

    @invariant()
    def books_say_what_the_model_says(self):
        type(self).played += 1
        if not hasattr(self, "known"):
            return
        books = queries.check_books()
        assert books.problems == []
        assert books.postings == 2 * books.transfers
        assert Account.objects.get(kind="capacity").balance == self.left
        balances = queries.balances([one.row for one in self.known])
        for one in self.known:
            found = balances[one.row.pk]
            assert (found.granted, found.free, found.held, found.spent) == (
                one.granted,
                one.free,
                one.held,
                one.spent,
            )
            assert (found.expired, found.overrun) == (one.expired, one.overrun)
            assert found.overdraft == one.overdraft
            assert one.granted + one.overdraft == (
                found.free + found.held + found.spent + found.expired - found.overrun
            )
            assert found.spent == one.settled + one.charged - one.refunded


@pytest.mark.timeout(1200)
def test_any_sequence_of_verbs_keeps_the_books(operator, project):
    Ledger.world = {"operator": operator, "project": project}
    Ledger.played = 0
    while Ledger.played < STEPS:
        run_state_machine_as_test(
            Ledger,
            settings=settings(
                max_examples=10,
                stateful_step_count=STEPS_EACH,
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
