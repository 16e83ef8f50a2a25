"""What the README shows."""

import re
import subprocess
from pathlib import Path

import vschsm

README = (Path(__file__).parent.parent / "README.md").read_text()
TEST, FIXTURE, SERVER = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def test_the_test_passes(inner):
    code, output = inner(TEST).ended()

    assert code == 0, output
    assert "1 passed" in output


def test_the_fixture_works(inner):
    test = "\ndef test_it(card):\n    assert card.label == 'shared'\n"

    code, output = inner(f"import pytest\n{FIXTURE}{test}").ended()

    assert code == 0, output


def test_the_command_sees_the_card(capfd):
    exec(SERVER, {"vschsm": vschsm, "subprocess": subprocess})

    assert "www.CardContact.de" in capfd.readouterr().out
