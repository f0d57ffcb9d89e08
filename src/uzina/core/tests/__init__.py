"""Tests of core, and the instant that tests of every module call now."""

from datetime import UTC, datetime

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
