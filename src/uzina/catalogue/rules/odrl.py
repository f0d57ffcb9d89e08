"""Usage policies: a small profile of ODRL, written, read, checked and evaluated.

The profile is described in docs/reference/usage-policy.md. A policy is an Offer of one permission
to `use` under constraints that all must hold, prohibitions, and obligations.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from uzina.catalogue.rules.terms import PURPOSES, broader, purpose_problem
from uzina.core.errors import Invalid, Problem
from uzina.core.text import _

PROFILE = "urn:uzina:odrl:1"
KIND = f"{PROFILE}#organisationKind"
COUNTRY = f"{PROFILE}#organisationCountry"
DATE_TIME = "http://www.w3.org/2001/XMLSchema#dateTime"
CONTEXT = "http://www.w3.org/ns/odrl.jsonld"

EU = frozenset(
    (
        *("AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU"),
        *("IE", "IT", "LT", "LU", "LV", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK"),
    )
)
GROUPS: Mapping[str, frozenset[str]] = {"EU": EU, "EEA": EU | {"IS", "LI", "NO"}}
"""The member states (Treaty on European Union, Article 52, after 31 January 2020), and with them
the EFTA states of the Agreement on the European Economic Area."""

ORGANISATION_KINDS = (
    *("startup", "sme", "large_enterprise", "university"),
    *("research", "public", "ngo", "other"),
)
"""As `people` names them."""

FORBIDDEN = ("distribute", "sell", "derive")
"""Actions of the ODRL vocabulary that a policy can prohibit. They are told, not measured."""

LONGEST_DELETE_DAYS = 3_650

LONGEST_LIST = 60


@dataclass(frozen=True)
class Terms:
    """What a policy says.

    purposes  codes of what it may be used for, with all that is narrower; none: for anything
    forbidden_purposes  codes of what it may not be used for, with all that is narrower
    until     use ends before this instant; None: no end
    places    countries in which it may be processed, "EU" and "EEA" for all of these; none: any
    kinds     kinds of organisations that may use it; none: any
    countries countries of organisations that may use it; none: any
    attribute whoever uses it names the holder
    delete_days  copies are deleted within so many days of the end; None: no duty to
    prohibited   further actions that are not allowed, of FORBIDDEN
    """

    purposes: tuple[str, ...] = ()
    forbidden_purposes: tuple[str, ...] = ()
    until: datetime | None = None
    places: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    attribute: bool = False
    delete_days: int | None = None
    prohibited: tuple[str, ...] = ()


@dataclass(frozen=True)
class Use:
    """A use that somebody has in mind: what for, by whom, where, when."""

    purpose: str
    country: str
    kind: str
    place: str
    now: datetime


def problems_of(terms: Terms) -> list[Problem]:
    """Return every mistake in terms, by the name of the field."""
    return [
        *_unknown_purposes(terms),
        *_unknown("places", terms.places, is_known=_is_place),
        *_unknown("countries", terms.countries, is_known=_is_place),
        *_unknown("kinds", terms.kinds, is_known=ORGANISATION_KINDS.__contains__),
        *_unknown("prohibited", terms.prohibited, is_known=FORBIDDEN.__contains__),
        *_odd_duties(terms),
    ]


def _unknown_purposes(terms: Terms) -> Iterator[Problem]:
    for name in ("purposes", "forbidden_purposes"):
        for at, code in enumerate(getattr(terms, name)):
            if code not in PURPOSES:
                yield purpose_problem(f"{name}.{at}", code)
    known = [code for code in terms.purposes if code in PURPOSES]
    barred = [code for code in terms.forbidden_purposes if code in PURPOSES]
    if known and all(set(broader(code)) & set(barred) for code in known):
        yield Problem(
            "forbidden_purposes",
            "policy.purposes.nothing_left",
            _("Every purpose that is allowed is also forbidden. Leave one of them out."),
        )


def _unknown(name: str, given: Sequence[str], *, is_known: Any) -> Iterator[Problem]:
    if len(given) > LONGEST_LIST:
        yield Problem(
            name, "policy.list.long", _("Name at most {most} of them."), {"most": LONGEST_LIST}
        )
        return
    for at, one in enumerate(given):
        if not is_known(one):
            yield Problem(
                f"{name}.{at}",
                "policy.word.unknown",
                _("{given!r} is not a word of the profile for {field}."),
                {"given": str(one)[:40], "field": name},
            )


def _odd_duties(terms: Terms) -> Iterator[Problem]:
    if terms.until is not None and terms.until.tzinfo is None:
        yield Problem(
            "until", "policy.until.zone", _("Write the end with its time zone, such as Z for UTC.")
        )
    days = terms.delete_days
    if days is not None and not 0 <= days <= LONGEST_DELETE_DAYS:
        yield Problem(
            "delete_days",
            "policy.delete_days.range",
            _("Give 0 to {most} days."),
            {"most": LONGEST_DELETE_DAYS},
        )


def _is_place(code: object) -> bool:
    return code in GROUPS or (
        isinstance(code, str)
        and len(code) == 2
        and code.isascii()
        and code.isalpha()
        and code.isupper()
    )


def check(terms: Terms) -> None:
    """Raise Invalid with every mistake in terms."""
    if problems := problems_of(terms):
        raise Invalid(problems)


def build(terms: Terms, *, uid: str) -> dict[str, Any]:
    """Return terms as an ODRL Offer without target: what it is offered with names the target."""
    permission: dict[str, Any] = {"action": "use"}
    if limits := list(_limits(terms)):
        permission["constraint"] = limits
    offer: dict[str, Any] = {
        "@type": "Offer",
        "@id": uid,
        "profile": PROFILE,
        "permission": [permission],
    }
    barred = [{"action": action} for action in terms.prohibited]
    if terms.forbidden_purposes:
        purposes = _any_of("purpose", _iris(terms.forbidden_purposes))
        barred.append({"action": "use", "constraint": [purposes]})  # type: ignore[dict-item]
    if barred:
        offer["prohibition"] = barred
    if duties := list(_duties(terms)):
        offer["obligation"] = duties
    return offer


def _limits(terms: Terms) -> Iterator[dict[str, Any]]:
    if terms.purposes:
        yield _any_of("purpose", _iris(terms.purposes))
    if terms.until is not None:
        yield {
            "leftOperand": "dateTime",
            "operator": "lt",
            "rightOperand": {"@value": _instant(terms.until), "@type": DATE_TIME},
        }
    for operand, values in (
        ("spatial", terms.places),
        (KIND, terms.kinds),
        (COUNTRY, terms.countries),
    ):
        if values:
            yield _any_of(operand, list(values))


def _any_of(operand: str, values: Sequence[Any]) -> dict[str, Any]:
    return {"leftOperand": operand, "operator": "isAnyOf", "rightOperand": list(values)}


def _iris(codes: Sequence[str]) -> list[dict[str, str]]:
    return [{"@id": PURPOSES[code].iri} for code in codes]


def _duties(terms: Terms) -> Iterator[dict[str, Any]]:
    if terms.attribute:
        yield {"action": "attribute"}
    if terms.delete_days is not None:
        yield {
            "action": "delete",
            "constraint": [
                {
                    "leftOperand": "delayPeriod",
                    "operator": "lteq",
                    "rightOperand": f"P{terms.delete_days}D",
                }
            ],
        }


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


@dataclass
class _Read:
    """What was read of an offer so far, and what was wrong with it."""

    found: dict[str, Any] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, where: str, why: str, **facts: Any) -> None:
        self.problems.append(Problem(where, "policy.odrl.not_in_profile", why, facts))

    def put(self, name: str, value: Any, where: str) -> None:
        if name in self.found:
            self.wrong(where, _("This is said twice."))
        self.found[name] = value


def parse(offer: Any) -> Terms:
    """Return what an offer says.

    Raises Invalid with every mistake: what the profile does not know is refused, never passed
    over, since a constraint that is not understood would not be kept.
    """
    read = _Read()
    if not isinstance(offer, dict):
        raise Invalid([Problem("", "policy.odrl.form", _("Send the policy as a JSON object."))])
    if offer.get("@type") != "Offer":
        read.wrong("@type", _("A policy is an Offer."))
    if offer.get("profile") != PROFILE:
        read.wrong("profile", _("Name the profile {profile}."), profile=PROFILE)
    _known_keys(
        read, "", offer, {"@context", "@id", "@type", "profile", "target", "assigner"} | _PARTS
    )
    permissions = _rules(read, offer, "permission")
    if len(permissions) != 1:
        read.wrong("permission", _("Give exactly one permission, to use."))
    for where, rule in permissions:
        _read_permission(read, where, rule)
    for where, rule in _rules(read, offer, "prohibition"):
        _read_prohibition(read, where, rule)
    for where, rule in _rules(read, offer, "obligation"):
        _read_obligation(read, where, rule)
    if read.problems:
        raise Invalid(read.problems)
    terms = Terms(**read.found)
    check(terms)
    return terms


_PARTS = {"permission", "prohibition", "obligation"}


def _known_keys(read: _Read, where: str, given: Mapping[str, Any], known: set[str]) -> None:
    for key in sorted(set(given) - known):
        read.wrong(
            f"{where}.{key}".strip("."), _("The profile has no {key!r} here."), key=str(key)[:40]
        )


def _rules(read: _Read, offer: Mapping[str, Any], part: str) -> list[tuple[str, dict[str, Any]]]:
    given = offer.get(part, [])
    found = []
    if not isinstance(given, list) or len(given) > LONGEST_LIST:
        read.wrong(part, _("Give a list."))
        return []
    for at, rule in enumerate(given):
        where = f"{part}.{at}"
        if not isinstance(rule, dict) or not isinstance(rule.get("action"), str):
            read.wrong(where, _("Give each rule an action."))
            continue
        _known_keys(read, where, rule, {"action", "constraint", "target"})
        found.append((where, rule))
    return found


def _constraints(
    read: _Read, where: str, rule: Mapping[str, Any]
) -> Iterator[tuple[str, str, str, Any]]:
    given = rule.get("constraint", [])
    if not isinstance(given, list) or len(given) > LONGEST_LIST:
        read.wrong(f"{where}.constraint", _("Give a list."))
        return
    for at, one in enumerate(given):
        here = f"{where}.constraint.{at}"
        keys = {"leftOperand", "operator", "rightOperand"}
        if not isinstance(one, dict) or set(one) != keys:
            read.wrong(here, _("Give leftOperand, operator and rightOperand, and nothing else."))
        elif not isinstance(one["leftOperand"], str) or not isinstance(one["operator"], str):
            read.wrong(here, _("Operand and operator are words."))
        else:
            yield here, one["leftOperand"], one["operator"], one["rightOperand"]


_LISTS = {"spatial": "places", KIND: "kinds", COUNTRY: "countries"}


def _read_permission(read: _Read, where: str, rule: Mapping[str, Any]) -> None:
    if rule["action"] != "use":
        read.wrong(f"{where}.action", _("The one action that can be permitted is use."))
    for here, operand, operator, right in _constraints(read, where, rule):
        match operand, operator:
            case "purpose", "isAnyOf":
                read.put("purposes", _codes(read, here, right), here)
            case "dateTime", "lt":
                read.put("until", _moment(read, here, right), here)
            case (
                (
                    "spatial"
                    | "urn:uzina:odrl:1#organisationKind"
                    | "urn:uzina:odrl:1#organisationCountry"
                ),
                "isAnyOf",
            ):
                read.put(_LISTS[operand], _words(read, here, right), here)
            case _:
                read.wrong(
                    here,
                    _("The profile does not know {operand} with {operator} here."),
                    operand=operand[:80],
                    operator=operator[:20],
                )


def _read_prohibition(read: _Read, where: str, rule: Mapping[str, Any]) -> None:
    limits = list(_constraints(read, where, rule))
    if rule["action"] in FORBIDDEN and not limits:
        read.found["prohibited"] = (*read.found.get("prohibited", ()), rule["action"])
        return
    match rule["action"], limits:
        case "use", [(here, "purpose", "isAnyOf", right)]:
            read.put("forbidden_purposes", _codes(read, here, right), here)
        case _:
            read.wrong(
                where,
                _("Prohibit one of {actions}, or the use for purposes."),
                actions=", ".join(FORBIDDEN),
            )


def _read_obligation(read: _Read, where: str, rule: Mapping[str, Any]) -> None:
    limits = list(_constraints(read, where, rule))
    match rule["action"], limits:
        case "attribute", []:
            read.put("attribute", True, where)
        case "delete", [(here, "delayPeriod", "lteq", str(right))]:
            digits = right[1:-1]
            is_days = right.startswith("P") and right.endswith("D") and digits.isdecimal()
            if not is_days or len(digits) > 5 or not digits.isascii():
                read.wrong(here, _("Give a number of days, such as P30D."))
            else:
                read.put("delete_days", int(digits), where)
        case _:
            read.wrong(where, _("The obligations of the profile are attribute and delete."))


def _codes(read: _Read, where: str, right: Any) -> tuple[str, ...]:
    by_iri = {one.iri: code for code, one in PURPOSES.items()}
    found = []
    for one in right if isinstance(right, list) else [right]:
        iri = one.get("@id") if isinstance(one, dict) else one
        if not isinstance(iri, str) or iri not in by_iri:
            read.wrong(where, _("There is no purpose {given!r} here."), given=str(iri)[:120])
        else:
            found.append(by_iri[iri])
    if not found:
        read.wrong(where, _("Name at least one purpose."))
    return tuple(found)


def _words(read: _Read, where: str, right: Any) -> tuple[str, ...]:
    given = right if isinstance(right, list) else [right]
    if not given or not all(isinstance(one, str) for one in given):
        read.wrong(where, _("Give a list of words."))
        return ()
    return tuple(given)


def _moment(read: _Read, where: str, right: Any) -> datetime | None:
    text = right.get("@value") if isinstance(right, dict) else right
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        at = datetime.min  # noqa: DTZ901 - it stands for none
    if at.tzinfo is None:
        read.wrong(where, _("Write an instant with its time zone, such as 2027-01-31T00:00:00Z."))
        return None
    return at


def evaluate(terms: Terms, use: Use) -> list[Problem]:
    """Return why a use is not allowed, one problem a constraint that fails; none: it is allowed.

    A use for a purpose of none is allowed only where purposes are not limited.
    """
    kinds = broader(use.purpose) if use.purpose in PURPOSES else ()
    answers = (
        (
            not terms.purposes or bool(set(kinds) & set(terms.purposes)),
            Problem(
                "purpose",
                "policy.use.purpose",
                _("The policy does not allow the purpose {purpose}. It allows: {allowed}."),
                {"purpose": use.purpose, "allowed": ", ".join(terms.purposes)},
            ),
        ),
        (
            not set(kinds) & set(terms.forbidden_purposes),
            Problem(
                "purpose",
                "policy.use.forbidden_purpose",
                _("The policy forbids the purpose {purpose}."),
                {"purpose": use.purpose},
            ),
        ),
        (
            terms.until is None or use.now < terms.until,
            Problem(
                "until",
                "policy.use.over",
                _("The policy allowed use before {until} only."),
                {"until": _instant(terms.until) if terms.until else ""},
            ),
        ),
        (
            _is_in(use.place, terms.places),
            Problem(
                "place",
                "policy.use.place",
                _("The policy does not allow processing in {place}. It allows: {allowed}."),
                {"place": use.place, "allowed": ", ".join(terms.places)},
            ),
        ),
        (
            not terms.kinds or use.kind in terms.kinds,
            Problem(
                "kind",
                "policy.use.kind",
                _("The policy does not allow organisations of the kind {kind}: only {allowed}."),
                {"kind": use.kind, "allowed": ", ".join(terms.kinds)},
            ),
        ),
        (
            _is_in(use.country, terms.countries),
            Problem(
                "country",
                "policy.use.country",
                _("The policy does not allow organisations of {country}. It allows: {allowed}."),
                {"country": use.country, "allowed": ", ".join(terms.countries)},
            ),
        ),
    )
    return [problem for is_so, problem in answers if not is_so]


def _is_in(country: str, places: Sequence[str]) -> bool:
    return not places or any(country in GROUPS.get(one, {one}) for one in places)
