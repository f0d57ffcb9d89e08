"""What the client remembers of files between two commands: checksums, and uploads under way.

One small SQLite file in the user's cache folder; deleting it costs time, never data. A checksum
is believed as long as path, size, time of change and inode are the same.
"""

import os
import sqlite3
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

TABLES = """
CREATE TABLE IF NOT EXISTS checksums (
    path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, inode INTEGER, sha256 TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS uploads (
    portal TEXT, place TEXT, path TEXT, size INTEGER, changed INTEGER, inode INTEGER, code TEXT,
    PRIMARY KEY (portal, place, path)
) WITHOUT ROWID;
"""
YOUNG_NS = 2_000_000_000
"""A file changed within the last two seconds may change again without its time telling."""


def folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return the user's cache folder for this command."""
    if sys.platform == "win32":
        return Path(environment.get("LOCALAPPDATA", Path.home())) / "uzina"
    return Path(environment.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "uzina"


class Memory:
    """Checksums and uploads, by file."""

    def __init__(self, home: Path | None = None) -> None:
        place = folder() if home is None else home
        self.lock = threading.Lock()
        try:
            place.mkdir(parents=True, exist_ok=True)
            self.rows = self._open(str(place / "files.sqlite3"))
        except (OSError, sqlite3.Error):
            self.rows = self._open(":memory:")

    @staticmethod
    def _open(name: str) -> sqlite3.Connection:
        rows = sqlite3.connect(name, timeout=10, check_same_thread=False, isolation_level=None)
        try:
            rows.executescript(TABLES)
        except sqlite3.Error:
            rows.close()
            raise
        return rows

    def close(self) -> None:
        """Close the file."""
        self.rows.close()

    def checksum(self, path: Path, found: os.stat_result) -> str:
        """Return the SHA-256 of a file that has not changed since it was remembered; or ""."""
        row = self._one(
            "SELECT sha256 FROM checksums WHERE path = ? AND size = ? AND changed = ? AND inode = ?",
            (str(path.absolute()), *_marks(found)),
        )
        return row[0] if row else ""

    def remember_checksum(
        self, path: Path, found: os.stat_result, sha256: str, now_ns: int
    ) -> None:
        """Remember the SHA-256 of a file, unless it is so young that it may still change."""
        if now_ns - found.st_mtime_ns < YOUNG_NS:
            return
        self._do(
            "INSERT OR REPLACE INTO checksums VALUES (?, ?, ?, ?, ?)",
            (str(path.absolute()), *_marks(found), sha256),
        )

    def upload(self, portal: str, place: str, path: Path, found: os.stat_result) -> str:
        """Return the code of an upload of this very file that was begun and not ended; or ""."""
        row = self._one(
            "SELECT code FROM uploads WHERE portal = ? AND place = ? AND path = ?"
            " AND size = ? AND changed = ? AND inode = ?",
            (portal, place, str(path.absolute()), *_marks(found)),
        )
        return row[0] if row else ""

    def remember_upload(
        self, portal: str, place: str, path: Path, found: os.stat_result, code: str
    ) -> None:
        """Remember an upload, to go on with it."""
        self._do(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?, ?, ?, ?)",
            (portal, place, str(path.absolute()), *_marks(found), code),
        )

    def forget_upload(self, portal: str, place: str, path: Path) -> None:
        """Forget an upload that has ended."""
        self._do(
            "DELETE FROM uploads WHERE portal = ? AND place = ? AND path = ?",
            (portal, place, str(path.absolute())),
        )

    def _one(self, sql: str, values: tuple[object, ...]) -> tuple[str, ...] | None:
        with self.lock:
            try:
                row: tuple[str, ...] | None = self.rows.execute(sql, values).fetchone()
            except sqlite3.Error:
                return None
        return row

    def _do(self, sql: str, values: tuple[object, ...]) -> None:
        with self.lock:
            try:
                self.rows.execute(sql, values)
            except sqlite3.Error:
                return


def _marks(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino
