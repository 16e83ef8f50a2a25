"""The program `vschsm` that is installed with this package."""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

from vschsm.error import Error


def path() -> str:
    """Where it is: where the installer has noted, or beside the package for `pip --target`."""
    noted = [file for file in metadata.files("vschsm") or [] if file.match("bin/vschsm")]
    beside = Path(__file__).parent.parent / "bin" / "vschsm"
    for candidate in [*(Path(str(file.locate())) for file in noted), beside]:
        if candidate.is_file():
            return str(candidate)
    raise Error("the program vschsm is not where the package vschsm was installed")


def run(program: str, arguments: list[str]) -> str:
    """Runs the program; what it prints."""
    done = subprocess.run(
        [program, *arguments],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    if done.returncode != 0:
        raise Error(sentence(done.stderr) or f"{program} ended with {done.returncode}")
    return done.stdout


def sentence(stderr: str) -> str:
    """What the program complains of, without its name and without how it is used."""
    complaint = " ".join(stderr.split("\n\nUsage:")[0].split("\n\nFor more")[0].split())
    for prefix in ("vschsm: ", "error: "):
        if complaint.startswith(prefix):
            return complaint[len(prefix):]
    return complaint
