#!/usr/bin/env python3
"""Slurm 24.11 for tests on a machine that has another: Debian 13 in a folder, slurm.py in it.

    slurm_chroot.py start --folder DIR [--mirror URL]   build what is not there, start Slurm, wait
    slurm_chroot.py env   --folder DIR                  print `export ...` lines for a shell
    slurm_chroot.py stop  --folder DIR                  end every process it started, keep the rest

Runs as root; needs debootstrap. Nothing is mounted for others to see: each command enters by a
mount namespace of its own that shares /tmp, /proc, /dev and this repository with the machine.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

SUITE = "trixie"
PACKAGES = (
    *("slurmctld", "slurmd", "slurmdbd", "slurm-client", "slurm-wlm-basic-plugins"),
    *("slurm-wlm-mysql-plugin", "munge", "mariadb-server-core", "mariadb-client-core", "python3"),
)
HERE = Path(__file__).resolve()
ENTER = """\
#!/bin/sh
# Runs a command in the other Debian. The mounts are this command's own.
exec unshare --mount --propagation private sh -c '
  root=$1 repository=$2; shift 2
  mkdir -p "$root$repository"
  for shared in /tmp /proc /dev "$repository"; do mount --rbind "$shared" "$root$shared"; done
  exec chroot "$root" "$@"' sh {root} {repository} "$@"
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Slurm 24.11 for tests, in a folder.")
    parser.add_argument("verb", choices=["start", "stop", "env"])
    parser.add_argument("--folder", type=Path, required=True, help="below /tmp")
    parser.add_argument("--mirror", default="", help="of Debian; else the one this machine uses")
    asked = parser.parse_args()
    folder = asked.folder.absolute()
    if not folder.is_relative_to("/tmp"):
        sys.exit("The folder has to be below /tmp, which both systems share.")
    enter = folder / "enter"
    if asked.verb == "start":
        build(folder, asked.mirror or mirror())
    if not enter.exists():
        return
    words = [str(enter), "python3", str(HERE.with_name("slurm.py")), asked.verb]
    words += ["--folder", str(folder / "bed")]
    done = subprocess.run(words, stdout=subprocess.PIPE, text=True, check=False)
    if asked.verb == "env" and done.returncode == 0:
        found = re.search(r"SLURM_CONF=(\S+)", done.stdout)
        print(f"export UZINA_TEST_SLURM_2411_CONF={found[1] if found else ''}")
        print(f"export UZINA_TEST_SLURM_2411_ENTER={shlex.quote(str(enter))}")
    else:
        print(done.stdout, end="")
    sys.exit(done.returncode)


def build(folder: Path, source: str) -> None:
    """Install the other Debian with its Slurm, once."""
    root, began = folder / "root", time.monotonic()
    if not (folder / "built").exists():
        if shutil.which("debootstrap") is None:
            sys.exit("debootstrap is missing: apt-get install debootstrap")
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        include = f"--include={','.join(PACKAGES)}"
        words = ["debootstrap", "--variant=minbase", include, SUITE, str(root), source]
        if subprocess.run(words, stdout=subprocess.DEVNULL, check=False).returncode != 0:
            sys.exit(f"Debian could not be installed; see {root}/debootstrap/debootstrap.log.")
        (folder / "built").touch()
        print(f"Debian {SUITE} with Slurm is there after {time.monotonic() - began:.0f} s.")
    enter = folder / "enter"
    words = [shlex.quote(str(one)) for one in (root, HERE.parents[2])]
    enter.write_text(ENTER.format(root=words[0], repository=words[1]))
    enter.chmod(0o755)


def mirror() -> str:
    """Return where this machine gets its Debian from."""
    listed = [Path("/etc/apt/sources.list"), *Path("/etc/apt/sources.list.d").glob("*")]
    for file in listed:
        text = file.read_text() if file.is_file() else ""
        found = re.search(
            r"^(?:deb|URIs:)[^\n]*?(https?://\S+/debian)/?(?:\s|$)", text, re.MULTILINE
        )
        if found:
            return found[1]
    sys.exit("This machine names no Debian mirror: give one with --mirror.")


if __name__ == "__main__":
    main()
