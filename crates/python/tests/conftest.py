"""What the tests share: a PKCS#11 module, and a pytest of their own."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import PyKCS11
import pytest

pytest_plugins = ["pytester"]


@pytest.fixture
def pkcs11(smartcard_hsm_server):
    """OpenSC's module, once the server is there."""
    module = PyKCS11.PyKCS11Lib()
    try:
        module.load("opensc-pkcs11.so")
    except PyKCS11.PyKCS11Error as error:
        pytest.fail(f"OpenSC's PKCS#11 module cannot be loaded, is opensc installed? {error}")
    return module


class Inner:
    """A pytest process that runs a file of tests, each of which may `tell` things."""

    def __init__(self, pytester, tests, *arguments):
        pytester.makeconftest(
            """
            import json, os, pytest

            @pytest.fixture
            def tell(capsys):
                def tell(thing):
                    with capsys.disabled():
                        print("told", json.dumps(thing), flush=True)
                return tell
            """
        )
        file = pytester.makepyfile(tests)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *arguments, str(file)],
            cwd=Path(file).parent, start_new_session=True, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            # A job in the background ignores interrupts, and so would what it starts.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.output = []

    def told(self):
        """The next thing that a test tells."""
        for line in self.process.stdout:
            self.output.append(line)
            if "told " in line:
                return json.loads(line.partition("told ")[2])
        pytest.fail("nothing was told in\n" + "".join(self.output))

    def ended(self):
        """Its exit code, and all that it has printed."""
        rest, _ = self.process.communicate(timeout=60)
        return self.process.returncode, "".join(self.output) + rest


@pytest.fixture
def inner(pytester):
    """Starts pytest in another process."""
    started = []

    def start(tests, *arguments):
        started.append(Inner(pytester, tests, *arguments))
        return started[-1]

    yield start
    for inner in started:
        inner.process.kill()
        inner.process.communicate()
