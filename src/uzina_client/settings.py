"""What the command remembers of a person: which portals, and a token for each.

Portals are in `config.toml` in the user's configuration folder. A token is looked for in
UZINA_TOKEN, then in the system's keyring, then in a file that only its owner can read.
"""

import json
import os
import stat
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SERVICE = "uzina"
PRIVATE = stat.S_IRUSR | stat.S_IWUSR


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's configuration folder for this command."""
    if sys.platform == "win32":
        return Path(environment.get("APPDATA", Path.home())) / "uzina"
    return Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "uzina"


@dataclass(frozen=True)
class Portal:
    """A portal the person has signed in to. `token_code` names the token, to end it later."""

    url: str
    email: str
    token_code: str = ""


@dataclass(frozen=True)
class Settings:
    """The content of config.toml: the portal used without being named, and those known."""

    current: str = ""
    portals: tuple[Portal, ...] = ()

    def known(self, url: str) -> Portal:
        """Return what is known of a portal."""
        return next((one for one in self.portals if one.url == url), Portal(url=url, email=""))

    def having(self, portal: Portal) -> "Settings":
        """Return these settings with a portal added or replaced, and made the current one."""
        others = tuple(one for one in self.portals if one.url != portal.url)
        return Settings(current=portal.url, portals=(*others, portal))

    def lacking(self, url: str) -> "Settings":
        """Return these settings without a portal."""
        rest = tuple(one for one in self.portals if one.url != url)
        current = self.current if self.current != url else (rest[-1].url if rest else "")
        return Settings(current=current, portals=rest)


def read(home: Path) -> Settings:
    """Read config.toml. Raises OSError when it is there and cannot be understood."""
    try:
        text = (home / "config.toml").read_text()
    except FileNotFoundError:
        return Settings()
    try:
        known: dict[str, Any] = tomllib.loads(text)
        return Settings(
            current=str(known.get("portal", "")),
            portals=tuple(
                Portal(
                    url=url,
                    email=str(facts.get("email", "")),
                    token_code=str(facts.get("token", "")),
                )
                for url, facts in known.get("portals", {}).items()
            ),
        )
    except (tomllib.TOMLDecodeError, AttributeError) as wrong:
        msg = f"{home / 'config.toml'} cannot be read: {wrong}. Mend it or delete it."
        raise OSError(msg) from wrong


def write(home: Path, settings: Settings) -> None:
    """Write config.toml."""
    lines = [f"portal = {json.dumps(settings.current)}", ""]
    for portal in settings.portals:
        lines += [
            f"[portals.{json.dumps(portal.url)}]",
            f"email = {json.dumps(portal.email)}",
            f"token = {json.dumps(portal.token_code)}",
            "",
        ]
    _replace(home / "config.toml", "\n".join(lines))


def stored_token(home: Path, url: str) -> str:
    """Return the token kept for a portal, "" for none."""
    return _from_keyring(url) or _tokens(home).get(url, "")


def keep_token(home: Path, url: str, token: str) -> Path | None:
    """Keep a token in the keyring, or else in a file. Returns the file if that was used."""
    if _to_keyring(url, token):
        return None
    _replace(home / "tokens.json", json.dumps(_tokens(home) | {url: token}, indent=1))
    return home / "tokens.json"


def forget_token(home: Path, url: str) -> None:
    """Delete the token kept for a portal, wherever it is."""
    _out_of_keyring(url)
    tokens = _tokens(home)
    if tokens.pop(url, None) is not None:
        _replace(home / "tokens.json", json.dumps(tokens, indent=1))


def _tokens(home: Path) -> dict[str, str]:
    try:
        kept = json.loads((home / "tokens.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return {str(url): str(token) for url, token in kept.items()} if isinstance(kept, dict) else {}


def _replace(path: Path, text: str) -> None:
    """Write a file that only its owner can read, in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, PRIVATE), "w") as file:
        file.write(text)
    part.replace(path)


def _to_keyring(url: str, token: str) -> bool:
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(SERVICE, url, token)
    except (KeyringError, RuntimeError):
        return False
    return True


def _from_keyring(url: str) -> str:
    import keyring
    from keyring.errors import KeyringError

    try:
        return keyring.get_password(SERVICE, url) or ""
    except (KeyringError, RuntimeError):
        return ""


def _out_of_keyring(url: str) -> None:
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(SERVICE, url)
    except (KeyringError, RuntimeError):
        return
