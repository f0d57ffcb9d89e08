"""Applications: how they stand, their documents, and what passes between them and the factory."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from uzina_client.cli.shell import Shell, column, command
from uzina_client.cli.typed import From, text_of

Code = Annotated[str, typer.Argument(help="APP-…")]
Text = Annotated[str, typer.Option(help="What to say.")]

APPLICATION_COLUMNS = [
    column("Application", "code"),
    column("Call", "call"),
    column("Organisation", "organisation"),
    column("State", "state"),
    column("Submitted", "submitted_at"),
]
DOCUMENT_COLUMNS = [
    column("Document", "slug"),
    column("Needed", "is_required"),
    column("Types", "kinds"),
    column("At most, MiB", "most_mib"),
    column("Code", "document.code"),
    column("File", "document.name"),
]
QUESTION_COLUMNS = [
    column("Question", "code"),
    column("Asked", "asked_at"),
    column("Answer by", "answer_by"),
    column("Text", "text"),
    column("Answer", "answer"),
]


def register(app: typer.Typer) -> None:
    """Add applications."""
    applications = typer.Typer(help="Your applications.", no_args_is_help=True)
    for name, function in (
        ("list", list_applications),
        ("show", show_application),
        ("submit", submit),
        ("withdraw", withdraw),
        ("documents", documents),
        ("attach", attach),
        ("remove", remove),
        ("share", share),
        ("export", export),
        ("clone", clone),
        ("comments", comments),
        ("reply", reply),
        ("questions", questions),
        ("answer", answer_question),
    ):
        command(applications, name)(function)
    app.add_typer(applications, name="applications")


def list_applications(shell: Shell) -> None:
    """List your applications."""
    shell.table(
        shell.client.calls.applications(), APPLICATION_COLUMNS, empty="You have not applied yet."
    )


def show_application(shell: Shell, code: Annotated[str, typer.Argument(help="APP-…")]) -> None:
    """Show an application and what happens next."""
    show(shell, shell.client.calls.application(code))


def submit(shell: Shell, code: Annotated[str, typer.Argument(help="APP-…")]) -> None:
    """Hand an application in."""
    show(shell, shell.client.calls.submit(code))


def withdraw(shell: Shell, code: Annotated[str, typer.Argument(help="APP-…")]) -> None:
    """Take an application back. This cannot be undone."""
    shell.confirm(f"Withdraw {code}? This cannot be undone.")
    show(shell, shell.client.calls.withdraw(code))


def show(shell: Shell, application: Any) -> None:
    """Print one application."""
    shell.show(
        application,
        [
            ("Application", application["code"]),
            ("Call", application["call"]),
            ("Organisation", application["organisation"]),
            ("State", application["state"]),
            ("Submitted", application["submitted_at"]),
            ("Title", application["title"]),
            ("Award", application["award"]),
            ("Next", application["next"]["text"]),
            ("By", application["next"]["at"]),
            ("You can", application["allowed"]),
            *((one["title"], _when(one)) for one in application["timeline"]),
            *(
                (one["title"], "complete" if one["is_complete"] else "to do")
                for one in application["sections"]
                if application["state"] == "draft"
            ),
        ],
    )


def _when(entry: Any) -> str:
    """Return when an entry of the timeline was, or by when it will be."""
    at = entry["at"] or ""
    return f"{at} {entry['text']}".strip() or ("done" if entry["is_done"] else "to come")


def documents(shell: Shell, code: Code) -> None:
    """List the documents that the call asks for, and those that are there."""
    shell.table(shell.client.calls.documents(code), DOCUMENT_COLUMNS, empty="None is asked for.")


def attach(
    shell: Shell,
    code: Code,
    document: Annotated[str, typer.Argument(help="Which: see uzina applications documents.")],
    file: Annotated[Path, typer.Argument(help="The file.", exists=True, dir_okay=False)],
) -> None:
    """Send a document; it takes the place of an earlier one."""
    kept = shell.client.calls.attach(code, document, file)
    shell.show(
        kept,
        [
            ("Document", kept["code"]),
            ("For", kept["slug"]),
            ("File", kept["name"]),
            ("Type", kept["media_type"]),
            ("Bytes", kept["size"]),
            ("SHA-256", kept["sha256"]),
        ],
    )


def remove(shell: Shell, document: Annotated[str, typer.Argument(help="DOC-…")]) -> None:
    """Take a document out of a draft."""
    shell.confirm(f"Remove {document}?")
    shell.client.calls.remove_document(document)
    shell.say(f"Removed: {document}.")


def share(
    shell: Shell, code: Code, email: Annotated[str, typer.Argument(help="A colleague's address.")]
) -> None:
    """Let a colleague who has an account here fill in a draft."""
    editor = shell.client.calls.share(code, email=email)
    shell.show(editor, [("Colleague", editor["name"]), ("Address", editor["email"])])


def export(
    shell: Shell,
    code: Code,
    to: Annotated[Path | None, typer.Option(help="A file; standard output without.")] = None,
) -> None:
    """Write an application with all its answers as JSON."""
    text = json.dumps(shell.client.calls.export(code), ensure_ascii=False, indent=2)
    if to is None:
        typer.echo(text)
    else:
        to.write_text(f"{text}\n", encoding="utf-8")
        shell.say(f"Written: {to}.")


def clone(
    shell: Shell, code: Code, call: Annotated[str, typer.Argument(help="The call to apply to.")]
) -> None:
    """Start a draft for another call with the answers of an application."""
    carried = shell.client.calls.clone(code, call=call)
    for name in carried["left_out"]:
        shell.say(f"Left out: {name}.")
    show(shell, carried["application"])


def comments(shell: Shell, code: Code) -> None:
    """Show what the reviewers wrote to you, and by when you may reply."""
    told = shell.client.judging.comments(code)
    shell.show(
        told,
        [
            *((one["reviewer"] or "Reviewer", one["comment"]) for one in told["comments"]),
            ("Your reply", told["reply"]),
            ("Reply by", told["reply_by"]),
        ],
    )


def reply(shell: Shell, code: Code, text: Text = "", file: From = None) -> None:
    """Reply to the reviewers. It can be done once."""
    said = text_of(shell, text, file, "Your reply")
    shell.confirm(f"Send the reply of {code}? It can be sent once.")
    told = shell.client.judging.reply(code, text=said)
    shell.show(told, [("Your reply", told["reply"]), ("Sent", told["replied_at"])])


def questions(shell: Shell, code: Code) -> None:
    """List what you were asked, and by when to answer."""
    shell.table(shell.client.judging.questions(code), QUESTION_COLUMNS, empty="Nothing was asked.")


def answer_question(
    shell: Shell,
    code: Code,
    question: Annotated[str, typer.Argument(help="QUE-…")],
    text: Text = "",
    file: From = None,
) -> None:
    """Answer a question; the clock of your application goes on."""
    said = text_of(shell, text, file, "Your answer")
    told = shell.client.judging.answer(code, question, text=said)
    shell.show(told, [("Question", told["text"]), ("Answer", told["answer"])])
