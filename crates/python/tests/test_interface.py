"""What users of the package have keeps working: its names and parameters, as they were once.

`interface.txt` has one thing a line: a name, a name and a parameter of its, or a name and its
value. A line may be added; one that is changed or goes is something that users lose.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path

import pytest

KEPT = Path(__file__).with_name("interface.txt").read_text().splitlines()


def find(path):
    """What a dotted name stands for."""
    module, *names = path.split(".")
    found = importlib.import_module(module)
    for name in names:
        if not hasattr(found, name):
            # An attribute that objects have.
            assert name in getattr(found, "__annotations__", {}), f"no {path}"
            return None
        found = getattr(found, name)
    return found


def parameters(path):
    return inspect.signature(find(path)).parameters


@pytest.mark.parametrize("line", KEPT)
def test_what_was_there_is_there(line):
    importlib.import_module("vschsm.pytest_plugin")
    path, _, value = line.partition(" = ")
    if value:
        assert repr(find(path)) == value
        return
    path, _, parameter = path.partition(" ")
    found = find(path)
    if parameter:
        name, is_optional, default = parameter.partition("=")
        now = parameters(path)[name]
        assert (now.default is not now.empty) == bool(is_optional)
        assert not is_optional or repr(now.default) == default
    elif inspect.isfunction(found) and "pytest_plugin" not in path:
        kept = {it.split(" ")[1].partition("=")[0] for it in KEPT if it.startswith(f"{path} ")}
        for name, now in parameters(path).items():
            assert name in {*kept, "self"} or now.default is not now.empty, f"{name} is required"
