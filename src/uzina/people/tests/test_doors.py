"""The pages of people: sign in, register, account, organisation."""

import re
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from uzina.core.models import LogEntry
from uzina.people import actions
from uzina.people.models import ApiToken, FailedSignIn, Organisation, Person

PASSWORD = "a long enough password"
HOSTILE = "<script>alert(1)</script>"

pytestmark = pytest.mark.django_db


def signed_in(person):
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def body(response):
    return response.content.decode()


# Sign in ------------------------------------------------------------------------------------


def test_whoever_knows_the_password_is_signed_in_and_read_to_in_their_language(ana):
    actions.speak(ana, language="ro", now=timezone.now())
    client = Client()
    response = client.post(
        "/sign-in/", {"email": "ANA@startup.example", "password": PASSWORD, "next": "/projects/"}
    )

    assert (response.status_code, response["Location"]) == (302, "/projects/")
    assert client.cookies[settings.LANGUAGE_COOKIE_NAME].value == "ro"
    assert '<html lang="ro"' in body(client.get("/account/"))


@pytest.mark.parametrize("email", ["ana@startup.example", "nobody@startup.example"])
def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(ana, email):
    response = Client().post("/sign-in/", {"email": email, "password": "wrong"})

    assert response.status_code == 422
    assert "do not belong together" in body(response)
    assert f'value="{email}"' in body(response)
    assert 'value="wrong"' not in body(response)
    assert FailedSignIn.objects.count() == 1


def test_guessing_is_slowed_down_from_where_it_comes_and_nobody_else_is_locked_out(ana):
    guesser = Client(REMOTE_ADDR="198.51.100.7")
    for _ in range(actions.SIGN_IN_TRIES):
        assert "do not belong" in body(
            guesser.post("/sign-in/", {"email": ana.email, "password": "guess"})
        )
    right = {"email": ana.email, "password": PASSWORD}

    refused = guesser.post("/sign-in/", right)
    assert refused.status_code == 422
    assert "Too many failed sign-ins from here" in body(refused)
    assert FailedSignIn.objects.count() == actions.SIGN_IN_TRIES
    assert Client(REMOTE_ADDR="198.51.100.8").post("/sign-in/", right).status_code == 302


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/",
        "javascript:alert(1)",
        "\\\\evil.example",
        "http:///e",
    ],
)
def test_sign_in_leads_to_this_portal_only(ana, target):
    response = Client().post(
        "/sign-in/", {"email": ana.email, "password": PASSWORD, "next": target}
    )
    assert response["Location"] == "/"


def test_a_session_gets_a_new_name_at_sign_in(ana):
    client = Client()
    client.session["note"] = "before"
    client.session.save()
    before = client.session.session_key
    client.post("/sign-in/", {"email": ana.email, "password": PASSWORD})
    assert client.session.session_key != before


def test_whoever_is_signed_in_needs_no_sign_in_page(ana):
    assert signed_in(ana).get("/sign-in/?next=/projects/")["Location"] == "/projects/"


@pytest.mark.parametrize("email", ["", "x", "a@b", "\x00@x.example", "a" * 300 + "@x.example"])
def test_an_address_that_is_none_is_said_beside_its_field(db, email):
    response = Client().post("/sign-in/", {"email": email, "password": "x"})

    assert response.status_code == 422
    assert 'id="id_email_error"' in body(response)
    assert "<title>Error:" in body(response)


def test_signing_out_needs_a_form_of_ours(ana):
    client = signed_in(ana)
    assert client.get("/sign-out/").status_code == 405
    assert client.get("/account/").status_code == 200
    client.post("/sign-out/")
    assert client.get("/account/").status_code == 302


def test_a_form_without_its_token_changes_nothing_and_says_what_to_do(ana):
    client = Client(enforce_csrf_checks=True)
    client.force_login(ana, backend="django.contrib.auth.backends.ModelBackend")
    response = client.post("/account/", {"language": "ro"})

    assert response.status_code == 403
    assert "The form was open for too long" in body(response)
    assert Person.objects.get(pk=ana.pk).language == "en"


# Register -----------------------------------------------------------------------------------


def test_somebody_new_is_registered_signed_in_and_asked_for_the_organisation(db):
    client = Client()
    response = client.post(
        "/register/", {"name": "Ion Țărnă", "email": "Ion@x.example", "password": PASSWORD}
    )

    assert response["Location"] == "/organisations/new/"
    assert Person.objects.get().email == "ion@x.example"
    assert client.get("/organisations/new/").status_code == 200


def test_every_mistake_of_a_registration_is_said_and_the_text_is_kept(ana):
    response = Client().post(
        "/register/", {"name": HOSTILE, "email": ana.email.upper(), "password": "short"}
    )
    page = body(response)

    assert response.status_code == 422
    assert "There is already a person with this address." in page
    assert 'id="id_password_error"' in page
    assert HOSTILE not in page
    assert "&lt;script&gt;" in page
    assert Person.objects.count() == 1


# Organisation -------------------------------------------------------------------------------

FACTS = {
    "name": "Limbă Vie SRL",
    "kind": "startup",
    "country": "RO",
    "city": "Cluj-Napoca",
    "vat_number": "",
    "website": "limba-vie.example",
    "founded_on_day": "1",
    "founded_on_month": "mar",
    "founded_on_year": "2021",
    "headcount": "8",
    "turnover_eur": "400 000",
    "balance_eur": "250,000",
    "related_count": "0",
}
FUND = {
    "related-0-name": "Fond SA",
    "related-0-relation": "partner",
    "related-0-share_percent": "30",
    "related-0-headcount": "1 000",
    "related-0-turnover_eur": "0",
    "related-0-balance_eur": "60000000",
}


def test_an_organisation_is_taken_down_and_its_size_class_shown_with_reasons(ana):
    client = signed_in(ana)
    response = client.post("/organisations/new/", FACTS)
    made = Organisation.objects.get()

    assert response["Location"] == f"/organisations/{made.code}/"
    assert (made.turnover_eur, made.balance_eur, made.headcount) == (400_000, 250_000, 8)
    assert str(made.founded_on) == "2021-03-01"
    assert made.website == "https://limba-vie.example"
    page = body(client.get(response["Location"]))
    assert "Micro enterprise" in page
    assert "It counts as a small or medium-sized enterprise" in page
    assert "Last closed year: headcount 8, turnover EUR 400,000, balance sheet EUR 250,000." in page
    assert "a turnover up to EUR 2,000,000" in page
    assert "Recommendation 2003/361/EC, Annex, Article 2(3)" in page


EARLIER = {
    "years-0-year": "2024",
    "years-0-headcount": "300",
    "years-0-turnover_eur": "90 000 000",
    "years-0-balance_eur": "90 000 000",
}


def test_earlier_years_are_typed_row_by_row_and_decide_with_the_last(ana):
    client = signed_in(ana)
    page = client.post("/organisations/new/", {**FACTS, "add_year": "1"})
    assert 'name="years-0-year"' in body(page)
    assert not Organisation.objects.exists()

    both = {**FACTS, "year": "2025", "years_count": "1", **EARLIER, "public_share_percent": "20"}
    response = client.post("/organisations/new/", both)

    made = Organisation.objects.get()
    assert [one.year for one in made.years.all()] == [2025, 2024]
    assert (made.headcount, made.public_share_percent) == (8, 20)
    page = body(client.get(response["Location"]))
    assert "By the figures of 2025 alone it would be “Micro enterprise”." in page
    assert "it still counts as “Small mid-cap enterprise”" in page
    again = body(client.get(f"/organisations/{made.code}/change/"))
    assert 'name="years_count" value="1"' in again
    assert 'name="years-0-year" value="2024"' in again

    client.post(f"/organisations/{made.code}/change/", {**both, "remove_year": "0"})
    assert made.years.count() == 2


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"year": "", "years_count": "1", **EARLIER}, 'id="id_year_error"'),
        ({"year": "2026", "years_count": "1", **EARLIER}, 'id="id_year_error"'),
        ({"year": "2999"}, 'id="id_year_error"'),
        (
            {"year": "2025", "years_count": "1", **EARLIER, "years-0-year": "1999"},
            'id="id_years-0-year_error"',
        ),
        ({"year": "2025", "is_estimate": "on", "years_count": "1", **EARLIER}, "id_year_error"),
        ({"pic": "12"}, 'id="id_pic_error"'),
        ({"vat_number": "IT00743110157"}, 'id="id_vat_number_error"'),
        ({"public_share_percent": "101"}, 'id="id_public_share_percent_error"'),
    ],
)
def test_a_mistake_in_years_or_numbers_stands_at_its_field(ana, changes, field):
    answer = signed_in(ana).post("/organisations/new/", {**FACTS, **changes})
    assert answer.status_code == 422
    assert field in body(answer)
    assert not Organisation.objects.exists()


def test_programs_send_years_and_read_the_size_with_its_reasons(api, ana):
    facts = {
        "name": "Limbă Vie SRL",
        "kind": "sme",
        "country": "RO",
        "vat_number": "RO18547290",
        "pic": "999999999",
        "public_share_percent": 10,
        "years": [
            {"year": 2024, "headcount": 20, "turnover_eur": 0, "balance_eur": 0},
            {"year": 2025, "headcount": 60, "turnover_eur": 0, "balance_eur": 0},
        ],
    }
    made = api(ana).post("/api/v1/people/organisations", facts, content_type="application/json")
    said = made.json()
    assert (made.status_code, said["size_class"], said["headcount"]) == (201, "small", 60)
    assert "still counts as “Small enterprise”" in said["size_reasons"][-1]
    assert (said["vat_state"], said["pic"]) == ("unknown", "999999999")
    assert [one["year"] for one in said["years"]] == [2025, 2024]


def test_related_enterprises_count_and_can_make_it_no_sme(ana):
    client = signed_in(ana)
    client.post("/organisations/new/", {**FACTS, "related_count": "1", **FUND})
    page = body(client.get(f"/organisations/{Organisation.objects.get().code}/"))

    assert "Small mid-cap enterprise" in page
    assert "It does not count as a small or medium-sized enterprise" in page
    assert "headcount 308" in page
    assert "Fond SA" in page


def test_a_row_is_added_without_script_and_nothing_is_lost_or_judged_or_saved(ana):
    client = signed_in(ana)
    response = client.post(
        "/organisations/new/", {**FACTS, "headcount": "eight", "add": "1", "name": HOSTILE}
    )
    page = body(response)

    assert response.status_code == 200
    assert 'name="related-0-name"' in page
    assert 'name="related_count" value="1"' in page
    assert 'value="eight"' in page
    assert HOSTILE not in page
    assert "There is a problem" not in page
    assert not Organisation.objects.exists()


def test_a_row_is_removed_and_the_others_move_up(ana):
    rows = {**FACTS, "related_count": "2", **FUND, "remove": "0"}
    rows |= {key.replace("-0-", "-1-"): value for key, value in FUND.items()}
    rows["related-1-name"] = "Alta SRL"
    page = body(signed_in(ana).post("/organisations/new/", rows))

    assert 'name="related_count" value="1"' in page
    assert re.search(r'name="related-0-name" value="Alta SRL"', page)
    assert "Fond SA" not in page


@pytest.mark.parametrize("count", ["", "x", "-1", "99999999", "٣", "0x10"])
def test_a_count_of_rows_that_is_none_breaks_nothing(ana, count):
    response = signed_in(ana).post(
        "/organisations/new/", {**FACTS, "related_count": count, "add": "1"}
    )
    assert response.status_code == 200


def test_what_the_rules_refuse_stands_beside_the_row_it_is_about(ana):
    rows = {**FACTS, "related_count": "1", **FUND, "related-0-share_percent": "10"}
    response = signed_in(ana).post("/organisations/new/", rows)
    page = body(response)

    assert response.status_code == 422
    assert "Give a share from 25 to 100 per cent" in page
    assert 'id="id_related-0-share_percent_error"' in page
    assert not Organisation.objects.exists()


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("vat_number", "RO123", "This is not the form of a VAT number."),
        ("country", "XX", "Choose one of the answers."),
        ("kind", "", "Choose an answer for “What it is”."),
        ("headcount", "-1", "Write a number from 0 to 2,147,483,647."),
        ("turnover_eur", "9" * 30, "Write a number from 0 to"),
        ("balance_eur", "1.5", "Write a whole number"),
        ("founded_on_day", "32", "There is no date 32 mar 2021."),
        ("name", "\x00", "Remove the characters that cannot be shown."),
        ("name", "x" * 201, "Shorten this to 200 characters; it has 201."),
        ("website", "javascript:alert(1)", "Write a web address"),
    ],
)
def test_a_fact_that_cannot_be_is_said_beside_its_field(ana, field, value, words):
    response = signed_in(ana).post("/organisations/new/", {**FACTS, field: value})

    assert response.status_code == 422
    assert words in body(response)
    assert not Organisation.objects.exists()


def test_facts_are_changed_by_a_representative_only(ana, org, operator, auditor, stranger):
    address = f"/organisations/{org.code}/change/"

    assert 'value="Limbă Vie SRL"' in body(signed_in(ana).get(address))
    assert signed_in(stranger).get(address).status_code == 404
    assert signed_in(ana).post(address, {**FACTS, "city": "Iași"}).status_code == 302
    assert signed_in(auditor).post(address, {**FACTS, "city": "Arad"}).status_code == 404
    assert Organisation.objects.get().city == "Iași"
    assert signed_in(operator).post(address, {**FACTS, "city": "Deva"}).status_code == 302


def test_a_university_is_told_that_its_kind_decides(ana):
    client = signed_in(ana)
    client.post("/organisations/new/", {**FACTS, "kind": "university"})
    page = body(client.get(f"/organisations/{Organisation.objects.get().code}/"))
    assert "For this organisation its kind decides." in page


# Account ------------------------------------------------------------------------------------


def test_a_token_is_shown_once_and_works(ana):
    client = signed_in(ana)
    page = body(client.post("/account/tokens/new/", {"name": "laptop", "days": "30"}))
    secret = re.search(r"uz_[\w-]+", page)[0]

    assert (
        Client()
        .get("/api/v1/people/me", headers={"Authorization": f"Bearer {secret}"})
        .json()["code"]
        == ana.code
    )
    account = body(client.get("/account/"))
    assert "laptop" in account
    assert secret not in account
    assert not any(secret in str(entry.facts) for entry in LogEntry.objects.all())


@pytest.mark.parametrize(("days", "status"), [("0", 422), ("1", 200), ("366", 200), ("367", 422)])
def test_a_token_lives_from_one_day_to_a_year(ana, days, status):
    response = signed_in(ana).post("/account/tokens/new/", {"name": "x", "days": days})
    assert response.status_code == status


def test_a_token_is_revoked_by_its_owner_only(ana, stranger):
    now = timezone.now()
    issued = actions.issue_token(ana, name="x", lifetime=timedelta(days=1), by=ana, now=now)
    address = f"/account/tokens/{issued.token.code}/revoke/"

    assert signed_in(stranger).post(address).status_code == 404
    assert ApiToken.objects.get().revoked_at is None
    assert signed_in(ana).get(address).status_code == 405
    signed_in(ana).post(address)
    assert ApiToken.objects.get().revoked_at is not None


def test_signing_out_everywhere_ends_all_sessions_of_the_person_and_no_others(ana, stranger):
    here, there, other = signed_in(ana), signed_in(ana), signed_in(stranger)
    here.post("/account/sign-out-everywhere/")

    assert there.get("/account/").status_code == 302
    assert here.get("/account/").status_code == 302
    assert other.get("/account/").status_code == 200
    entry = LogEntry.objects.get(event="person.signed_out_everywhere")
    assert (entry.subject, entry.facts["sessions"]) == (ana.code, 2)


def test_a_language_is_chosen_kept_and_spoken_at_once(ana):
    client = signed_in(ana)
    page = body(client.post("/account/", {"language": "ro"}, follow=True))

    assert Person.objects.get(pk=ana.pk).language == "ro"
    assert '<html lang="ro"' in page
    assert "Salvat." in page
    assert client.post("/account/", {"language": "xx"}).status_code == 422


@pytest.mark.parametrize(
    "address",
    [
        "/account/",
        "/account/tokens/new/",
        "/organisations/new/",
        "/organisations/ORG-AAAAAA/",
        "/organisations/ORG-AAAAAA/change/",
    ],
)
def test_nobody_signed_in_is_asked_to_sign_in_first(db, address):
    assert Client().get(address)["Location"] == f"/sign-in/?next={address}"


@pytest.mark.parametrize("address", ["/organisations/ORG-AAAAAA/", "/organisations/%00/"])
def test_what_is_not_there_is_a_404(ana, address):
    assert signed_in(ana).get(address).status_code == 404


def test_the_account_asks_the_database_the_same_for_one_token_and_for_three(
    ana, org, django_assert_max_num_queries
):
    client, now = signed_in(ana), timezone.now()
    for count in (1, 2):
        for _ in range(count):
            actions.issue_token(ana, name="x", lifetime=timedelta(days=1), by=ana, now=now)
        with django_assert_max_num_queries(6):
            assert client.get("/account/").status_code == 200
