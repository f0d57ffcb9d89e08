"""What a page costs: CPU and SQL statements, with few rows and with many, beside bare Django.

Run it as `python benchmarks/pages.py [--quick]`. It makes a factory in a folder of its own with 3
and then with 300 rows of each sort, and asks for each page through the WSGI application, without a
network in between. Beside them stands the least that Django can do: one view, one template of one
line, no middleware, in the same process and the same minutes. Figures are the median of many
requests, CPU of this process only, so other work on the machine does little to them.

The pages of a ranked call stand beside, with 4 and with 400 applications before the panel of one
cut-off, each with three reviews.

The last line is one JSON object. benchmarks/pages.md is written anew unless --quick is given.
"""

import argparse
import gc
import hashlib
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FEW, MANY = 3, 300
FEW_JUDGED, MANY_JUDGED = 4, 400
CRITERIA = ("excellence", "impact", "implementation")
HOUR_MS = 3_600_000


def main() -> None:
    """Measure, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few requests, no table")
    is_quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as folder:
        os.environ |= {
            "UZINA_FOLDERS_VAR": folder,
            "UZINA_DATABASE_URL": f"sqlite:///{folder}/pages.sqlite3",
            "UZINA_STORE_FOLDER": f"{folder}/store",
            "UZINA_SCHEDULER_RUN_ROOT": f"{folder}/runs",
            "UZINA_SCHEDULER_STATE": f"{folder}/scheduler",
            "DJANGO_SETTINGS_MODULE": "uzina.root.settings",
        }
        measured = measure(times=5 if is_quick else 60)
    text = table(measured)
    sys.stdout.write(text)
    if not is_quick:
        (HERE / "pages.md").write_text(text)
    sys.stdout.write(json.dumps(measured) + "\n")


def measure(*, times: int) -> dict[str, Any]:
    """Return the figures: of bare Django, and of each page with few and with many rows."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application

    call_command("migrate", verbosity=0)
    application = get_wsgi_application()
    world = World()
    found: dict[str, Any] = {"bare_ms": 1000 * bare_cost(times), "pages": {}}
    for size in ("few", "many"):
        world.grow(FEW if size == "few" else MANY)
        world.judge(FEW_JUDGED if size == "few" else MANY_JUDGED)
        for path, who in world.pages():
            cookie = world.cookies[who]
            cpu_s, length = cost(application, path, cookie, times=times)
            found["pages"].setdefault(f"{who} {world.kind(path)}", {})[size] = {
                "cpu_ms": round(1000 * cpu_s, 2),
                "sql": statements(application, path, cookie),
                "kb": round(length / 1000, 1),
            }
    found["bare_ms"] = round(min(found["bare_ms"], 1000 * bare_cost(times)), 3)
    slowest = max(page["many"]["cpu_ms"] for page in found["pages"].values())
    return {
        "benchmark": "pages",
        "python": sys.version.split()[0],
        "django": django.get_version(),
        "requests_each": times,
        "rows": [FEW, MANY],
        "judged": [FEW_JUDGED, MANY_JUDGED],
        "slowest_cpu_ms": slowest,
        "slowest_times_bare": round(slowest / found["bare_ms"], 1),
        "most_sql": max(page["many"]["sql"] for page in found["pages"].values()),
        **found,
    }


def cost(
    application: Callable[..., Any], path: str, cookie: str, *, times: int
) -> tuple[float, int]:
    """Return the median CPU seconds of a request, and the bytes it brings."""
    ask(application, path, cookie)
    spent = []
    gc.collect()
    for _ in range(times):
        began = time.process_time()
        size = ask(application, path, cookie)
        spent.append(time.process_time() - began)
    return statistics.median(spent), size


def statements(application: Callable[..., Any], path: str, cookie: str) -> int:
    """Return how many SQL statements a request needs."""
    from django.db import connection, reset_queries
    from django.test.utils import CaptureQueriesContext

    reset_queries()
    with CaptureQueriesContext(connection) as captured:
        ask(application, path, cookie)
    return len(captured)


def ask(application: Callable[..., Any], path: str, cookie: str) -> int:
    """Send one GET through WSGI and return the length of its body; anything but 200 stops."""
    place, _mark, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": place,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "127.0.0.1:8000",
        "HTTP_COOKIE": cookie,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": False,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    seen: list[str] = []
    body = application(environ, lambda status, _headers: seen.append(status))
    size = sum(len(piece) for piece in body)
    body.close()
    if not seen[0].startswith("200"):
        msg = f"{path} answered {seen[0]}"
        raise RuntimeError(msg)
    return size


def bare_cost(times: int) -> float:
    """Return the median CPU seconds of the least page of Django: no middleware, one line."""
    from types import ModuleType

    from django.core.handlers.wsgi import WSGIHandler
    from django.http import HttpResponse
    from django.template import Context, Engine
    from django.test import override_settings
    from django.urls import path

    template = Engine().from_string("<!doctype html><title>{{ title }}</title>")

    def view(request: Any) -> HttpResponse:
        return HttpResponse(template.render(Context({"title": request.path})))

    urls = ModuleType("bare_urls")
    urls.urlpatterns = [path("", view)]
    with override_settings(MIDDLEWARE=[], ROOT_URLCONF=urls):
        return cost(WSGIHandler(), "/", "", times=10 * times)[0]


class World:
    """A factory with rows of each sort, all of one project."""

    def __init__(self) -> None:
        from django.utils import timezone

        from uzina.ledger import actions as ledger
        from uzina.ledger import queries
        from uzina.people import actions as people
        from uzina.people.rules import OrganisationKind, RoleKind
        from uzina.root.opening import open_factory

        self.now, self.rows = timezone.now(), 0
        open_factory(now=self.now)
        self.people = {}
        for name in ("lead", "operator", "applicant", "reviewer", "chair"):
            self.people[name] = people.register(
                email=f"{name}@bench.example",
                name=name.title(),
                password="a long password",
                language="en",
                now=self.now,
            )
        for name, role in (
            ("operator", RoleKind.OPERATOR),
            ("reviewer", RoleKind.REVIEWER),
            ("chair", RoleKind.PANEL),
        ):
            people.appoint(self.people[name], kind=role, by=None, now=self.now)
        self.organisation = people.register_organisation(
            people.OrganisationFacts(
                name="Bench SRL",
                kind=OrganisationKind.STARTUP,
                country="RO",
                city="Iași",
                headcount=5,
                turnover_eur=1,
                balance_eur=1,
            ),
            by=self.people["lead"],
            now=self.now,
        )
        self.project = people.open_project(
            self.organisation,
            title="Bench",
            lead=self.people["lead"],
            starts_at=self.now - timedelta(days=1),
            ends_at=self.now + timedelta(days=90),
            award_code="",
            by=None,
            now=self.now,
        )
        capacity = ledger.open_capacity(
            owner="bench",
            title="Bench",
            resource=queries.gpu_hours(),
            amount=10**6 * HOUR_MS,
            key="bench",
            by=None,
            now=self.now,
        )
        self.allocation = ledger.grant(
            self.project,
            capacity=capacity,
            amount=10**5 * HOUR_MS,
            starts_at=self.now - timedelta(days=1),
            ends_at=self.now + timedelta(days=60),
            key="bench-grant",
            by=None,
            now=self.now,
        )
        self.call = self._call()
        self.judged = self._ranked_call()
        self.cookies = {"nobody": ""} | {
            name: self._cookie(one) for name, one in self.people.items()
        }

    def _call(self) -> Any:
        from uzina.calls import actions

        facts = actions.CallFacts(
            mode="playground",
            slug="playground",
            title_en="Playground",
            title_ro="Playground",
            budget_gpu_hours=10**6,
            opens_at=self.now - timedelta(hours=1),
        )
        operator = self.people["operator"]
        call = actions.create_call(facts, by=operator, now=self.now)
        return actions.publish(call, by=operator, now=self.now)

    def _ranked_call(self) -> Any:
        from uzina.calls import actions
        from uzina.calls.rules.clock import Window

        facts = actions.CallFacts(
            mode="large-scale",
            slug="large-scale",
            title_en="Large Scale",
            title_ro="Large Scale",
            budget_gpu_hours=10**6,
            opens_at=self.now - timedelta(days=9),
            cut_offs=[Window(self.now - timedelta(days=9), self.now - timedelta(days=1))],
        )
        operator = self.people["operator"]
        call = actions.create_call(facts, by=operator, now=self.now)
        actions.seat(
            call,
            person=self.people["chair"],
            is_for_appeals=False,
            is_chair=True,
            by=operator,
            now=self.now,
        )
        return actions.publish(call, by=operator, now=self.now)

    def judge(self, rows: int) -> None:
        """Add applications before the panel until there are so many, and rank them in a draft.

        Rows as submission, assessment and reviews leave them: what is measured is the reading.
        """
        from uzina.calls.models import Application, Assessment, Review, Step
        from uzina.calls.rules.flows import ApplicationState, ReviewState
        from uzina.calls.rules.steps import StepKind, StepState

        applicant, call = self.people["applicant"], self.judged
        kinds = [one.kind for one in call.mode.steps]
        here = Application.objects.filter(call=call).count()
        for number in range(here, rows):
            moment = self.now - timedelta(days=2) + timedelta(seconds=number)
            application = Application.objects.create(
                call=call,
                cut_off=call.cut_offs.first(),
                applicant=applicant,
                organisation=self.organisation,
                state=ApplicationState.ELIGIBLE,
                title=f"Work {number}",
                gpu_ms=60_000 * HOUR_MS,
                months=3,
                made_at=moment,
                submitted_at=moment,
                due_at=self.now + timedelta(days=number % 9 - 4),
            )
            Assessment.objects.create(
                application=application,
                assessor=self.people["operator"],
                is_fitting=True,
                is_ready=True,
                is_justified=True,
                recommended_gpu_ms=60_000 * HOUR_MS,
                made_at=moment,
            )
            at = kinds.index(StepKind.PANEL)
            Step.objects.bulk_create(
                Step(
                    application=application,
                    kind=kind,
                    position=place,
                    state=(StepState.DONE, StepState.OPEN, StepState.WAITING)[
                        0 if place < at else 1 if place == at else 2
                    ],
                    opened_at=moment if place <= at else None,
                    done_at=moment if place < at else None,
                    due_at=application.due_at if place == at else None,
                )
                for place, kind in enumerate(kinds)
            )
            for reader in range(3):
                points = 3 + (number + reader) % 3
                Review.objects.create(
                    application=application,
                    reviewer=self.people["reviewer"] if reader == 0 else self._reader(reader),
                    state=ReviewState.SUBMITTED,
                    assigned_at=moment,
                    due_at=self.now,
                    submitted_at=moment,
                    scores=dict.fromkeys(CRITERIA, points),
                    score_milli=1000 * points,
                    comment="A sound plan.",
                )
        self.ranking = self._ranking()

    def _reader(self, number: int) -> Any:
        from uzina.people import actions as people
        from uzina.people import queries

        email = f"reader{number}@bench.example"
        return queries.person_by_email(email) or people.register(
            email=email,
            name=f"Reader {number}",
            password="a long password",
            language="en",
            now=self.now,
        )

    def _ranking(self) -> Any:
        """Keep a ranking of all of them, as a draft leaves it."""
        from uzina.calls import queries
        from uzina.calls.models import Ranking
        from uzina.calls.rules import ranking

        call, cut_off = self.judged, self.judged.cut_offs.first()
        rows = list(queries.at_panel(call, cut_off))
        inputs = queries.inputs_for(call, cut_off, rows)
        return Ranking.objects.create(
            call=call,
            cut_off=cut_off,
            inputs=inputs,
            result=ranking.run(inputs),
            made_by=self.people["operator"],
            made_at=self.now,
        )

    def _cookie(self, person: Any) -> str:
        from django.conf import settings
        from django.test import Client

        client = Client()
        client.force_login(person)
        return (
            f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
        )

    def grow(self, rows: int) -> None:
        """Add jobs, datasets and applications until there are so many of each."""
        from uzina.calls import actions as calls
        from uzina.catalogue import actions as catalogue
        from uzina.compute import actions as compute
        from uzina.compute import rules

        lead = self.people["lead"]
        for number in range(self.rows, rows):
            moment = self.now + timedelta(seconds=number)
            spec = rules.parse_spec(
                {"name": f"Job {number}", "command": ["true"], "gpus": 1, "time_limit_s": 60}
            )
            self.job = compute.submit(
                self.project, spec=spec, by=lead, now=moment, key=f"bench-{number}"
            )
            dataset = catalogue.register_dataset(
                slug=f"data-{number}",
                title=f"Data {number}",
                description="Texts.",
                licence="cc-by-4.0",
                languages=["ro", "en"],
                holder=self.organisation,
                project=self.project,
                by=lead,
                now=moment,
            )
            body = f"Text {number}".encode()
            sha256 = hashlib.sha256(body).hexdigest()
            catalogue.upload(sha256, iter([body]), size=len(body), by=lead, now=moment)
            files = [{"path": "a.txt", "bytes": len(body), "sha256": sha256}]
            catalogue.add_version(dataset, files=files, note="", by=lead, now=moment)
            calls.start(self.call, organisation=self.organisation, by=lead, now=moment)
        self.rows = rows

    def pages(self) -> list[tuple[str, str]]:
        """Return the pages to ask for, and as whom."""
        return [
            ("/", "nobody"),
            ("/calls/", "nobody"),
            ("/qualify/", "nobody"),
            ("/", "lead"),
            ("/applications/", "lead"),
            (f"/projects/{self.project.code}/", "lead"),
            (f"/allocations/{self.allocation.code}/", "lead"),
            ("/jobs/", "lead"),
            (f"/jobs/{self.job.code}/", "lead"),
            ("/datasets/", "lead"),
            ("/models/", "lead"),
            ("/", "operator"),
            ("/log/", "operator"),
            ("/promises/", "operator"),
            ("/applications/", "applicant"),
            ("/queue/", "operator"),
            ("/calls/", "operator"),
            ("/panels/large-scale/1/", "chair"),
            ("/reviews/", "reviewer"),
            (f"/rankings/{self.ranking.code}/", "operator"),
        ]

    def kind(self, path: str) -> str:
        """Return a path without the code in it, which is another each time."""
        codes = (self.project.code, self.allocation.code, self.job.code, self.ranking.code)
        for code in codes:
            path = path.replace(code, "…")
        return path


def table(measured: dict[str, Any]) -> str:
    """Return the figures as a Markdown table."""
    lines = [
        "# Pages",
        "",
        (
            "CPU milliseconds and SQL statements of one page, signed in as somebody, with 3 and with "
            f"300 rows of each sort; pages of a ranked call (queue, panel, reviews, ranking) with "
            f"{FEW_JUDGED} and {MANY_JUDGED} applications. Median of {measured['requests_each']} requests through WSGI, "
            f"Python {measured['python']}, Django {measured['django']}, SQLite."
        ),
        "",
        (
            f"Bare Django, one view and a template of one line without middleware: "
            f"{measured['bare_ms']:.3f} ms in the same run."
        ),
        "",
        "| Page | CPU, few rows | CPU, many rows | × bare | SQL, few rows | SQL, many rows | kB |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, page in measured["pages"].items():
        few, many = page["few"], page["many"]
        lines.append(
            f"| {name} | {few['cpu_ms']:.1f} | {many['cpu_ms']:.1f} | "
            f"{many['cpu_ms'] / measured['bare_ms']:.0f} | {few['sql']} | {many['sql']} | {many['kb']:.0f} |"
        )
    return "\n".join(lines) + "\n\nMade by `benchmarks/pages.py`.\n"


if __name__ == "__main__":
    main()
