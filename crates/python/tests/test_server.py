"""A server without pytest's fixtures, and its end."""

import os
import select
import signal
import socket
import struct
import subprocess
import sys

import pytest

import vschsm

LIST = """
from smartcard.System import readers
for reader in readers():
    print(reader.name)
"""


class Watched:
    """The process that listens at a control socket."""

    def __init__(self, variables):
        self.sockets = variables
        with socket.socket(socket.AF_UNIX) as stream:
            stream.connect(variables["VSCHSM_CONTROL"])
            peer = stream.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        self.process = os.pidfd_open(struct.unpack("3i", peer)[0])

    def has_ended(self):
        """Waits for its end, after which nothing is left of it."""
        ended, _, _ = select.select([self.process], [], [], 30)
        os.close(self.process)
        return bool(ended) and not any(map(os.path.exists, self.sockets.values()))


def readers_of_a_command(server):
    command = [sys.executable, "-c", LIST]
    done = subprocess.run(command, env=server.environment, capture_output=True, check=True)
    return done.stdout.decode().splitlines()


def test_commands_see_the_readers_of_their_server(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with vschsm.Server() as server, vschsm.Server() as other:
        watched = [Watched(server.variables), Watched(other.variables)]
        cards = [server.insert(), server.insert(firmware="2.6")]

        assert sorted(readers_of_a_command(server)) == sorted(card.reader for card in cards)
        assert readers_of_a_command(other) == []

    assert all(one.has_ended() for one in watched)
    assert not list(tmp_path.iterdir())
    server.stop()
    with pytest.raises(vschsm.Error, match="the server has been stopped"):
        server.insert()
    with pytest.raises(vschsm.Error, match="no server listens"):
        cards[0].reset()


def test_a_server_that_does_not_start_says_why(monkeypatch):
    with pytest.raises(vschsm.Error, match="cannot run /nowhere/vschsm: No such file"):
        vschsm.Server(executable="/nowhere/vschsm")
    with monkeypatch.context() as environment:
        environment.setenv("TMPDIR", "/nowhere")
        environment.setenv("XDG_RUNTIME_DIR", "/nowhere")
        with vschsm.Server() as server:
            assert server.variables["VSCHSM_CONTROL"].startswith("/tmp/")


def test_a_forked_child_that_lives_on_does_not_delay_the_stop():
    server = vschsm.Server()
    watched = Watched(server.variables)
    child = os.fork()
    if child == 0:
        signal.pause()

    server.stop()

    assert watched.has_ended()
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_the_program_of_the_package_is_a_module_too():
    done = subprocess.run([sys.executable, "-m", "vschsm", "--version"], capture_output=True)

    assert done.stdout.startswith(b"vschsm ")


def test_the_server_ends_with_the_session(inner):
    pytest_process = inner(
        """
        def test_it(smartcard_hsm, smartcard_hsm_server, tell, request):
            smartcard_hsm()
            tell(smartcard_hsm_server.variables)
            input()
        """,
        "-s",
    )
    watched = Watched(pytest_process.told())

    pytest_process.process.stdin.write("\n")
    code, output = pytest_process.ended()

    assert code == 0, output
    assert watched.has_ended()


def test_the_server_ends_when_pytest_is_killed(inner):
    pytest_process = inner(
        """
        def test_it(smartcard_hsm, smartcard_hsm_server, tell):
            smartcard_hsm()
            tell([smartcard_hsm_server.variables, str(smartcard_hsm_server._folder)])
            input()
        """,
        "-s",
    )
    variables, folder = pytest_process.told()
    watched = Watched(variables)
    assert os.listdir(folder)

    pytest_process.process.kill()

    assert watched.has_ended()
    assert not os.path.exists(folder)


def test_an_interrupt_leaves_the_cards_to_those_who_clean_up(inner):
    pytest_process = inner(
        """
        import pytest

        @pytest.fixture
        def card(smartcard_hsm, tell):
            card = smartcard_hsm()
            yield card
            tell(card.show()["serial"])

        def test_it(card, smartcard_hsm_server, tell):
            tell([smartcard_hsm_server.variables, card.serial])
            input()
        """,
        "-s",
    )
    variables, serial = pytest_process.told()
    watched = Watched(variables)

    os.killpg(pytest_process.process.pid, signal.SIGINT)

    assert pytest_process.told() == serial
    code, output = pytest_process.ended()
    assert code == pytest.ExitCode.INTERRUPTED, output
    assert watched.has_ended()
