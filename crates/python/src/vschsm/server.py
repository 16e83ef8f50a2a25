"""A PC/SC server of one's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from types import TracebackType

from vschsm import program
from vschsm.card import Card
from vschsm.error import Error

#: The user PIN of a card, unless another one is asked for.
PIN = "648219"
#: The SO-PIN, 16 hexadecimal digits as sc-hsm-tool takes it.
SO_PIN = "3537363231383830"

_VARIABLES = ("PCSCLITE_CSOCK_NAME", "VSCHSM_CONTROL")

# Without the serial number, so that few names serve many cards: OpenSC's PKCS#11 module never
# forgets a reader, and has room for four.
_READER = "Nitrokey Nitrokey HSM"

# What the program's server is for: it tells the sockets, and lives until its standard input says
# so or ends, as it does however this process ends. Then the folder with the cards goes.
_KEEPER = f"""
printf '%s\\n' "${_VARIABLES[0]}" "${_VARIABLES[1]}"
read -r _
rm -rf "$0"
"""


class Server:
    """Readers of one's own, until `stop` or the end of a `with`.

    A client finds them, and no others, if `environment` was in force when it used PC/SC for the
    first time: libpcsclite does not look again. The server ends with this process, however that
    ends.
    """

    #: What clients need in their environment: where PC/SC is, and where `vschsm ctl` is heard.
    variables: dict[str, str]

    def __init__(self, *, executable: str | None = None) -> None:
        """Starts it; `executable` is another vschsm than that of this package."""
        self._program = executable or program.path()
        self._folder = Path(tempfile.mkdtemp(prefix="vschsm-cards-"))
        self._numbers = count()
        # To a file, as nobody would empty a pipe.
        self._said = tempfile.TemporaryFile("w+")
        options = ["--no-card", "--durability=none", f"--reader-name={_READER}"]
        keeper = ["/bin/sh", "-c", _KEEPER, str(self._folder)]
        try:
            self._process = subprocess.Popen(
                [self._program, "exec", *options, "--", *keeper],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said, text=True,
                # An interrupt at the terminal is for the tests, which still need their cards then.
                start_new_session=True,
            )
        except OSError as error:
            self._folder.rmdir()
            self._said.close()
            raise Error(f"cannot run {self._program}: {error.strerror}") from error
        assert self._process.stdout
        values = [self._process.stdout.readline().rstrip("\n") for _ in _VARIABLES]
        self.variables = dict(zip(_VARIABLES, values))
        if not all(values):
            raise Error(program.sentence(self._end()) or "the server does not start")

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The environment of commands that are to see the readers: this process's, and where."""
        return {**os.environ, **self.variables}

    def insert(
        self,
        *,
        firmware: str | os.PathLike[str] | None = None,
        serial: str | None = None,
        seed: str | None = None,
        initialize: bool = True,
        pin: str = PIN,
        so_pin: str = SO_PIN,
        tries: int | None = None,
        label: str | None = None,
        keys: Sequence[str] = (),
        certificates: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> Card:
        """Makes a card and puts it into a new reader.

        The arguments are the options of `vschsm new`, whose help tells of them: `keys` are each a
        `--key`, such as "rsa:2048,id=10,label=signing", `certificates` each a `--cert`, such as
        "10=CN=CI"; `options` are any others, such as ["--dkek-share", "share.pbe"]. With a `seed`
        the card and what it answers are the same every time. Without `initialize` it is as
        delivered.
        """
        if self._process.returncode is not None:
            raise Error("the server has been stopped")
        given = {"--firmware": firmware, "--serial": serial, "--seed": seed}
        if initialize:
            given.update({"--pin": pin, "--so-pin": so_pin, "--label": label})
            given["--tries"] = None if tries is None else str(tries)
        arguments = ["--initialize"] if initialize else []
        arguments += [f"{name}={value}" for name, value in given.items() if value is not None]
        arguments += [f"--key={key}" for key in keys]
        arguments += [f"--cert={certificate}" for certificate in certificates]
        file = self._folder / f"{next(self._numbers)}.card"
        program.run(self._program, ["new", *arguments, *options, str(file)])
        return Card(self.variables["VSCHSM_CONTROL"], file, seed, pin, so_pin)

    def stop(self) -> None:
        """Ends the server, and its readers and cards with it; the second time, does nothing."""
        if self._process.returncode is None:
            sys.stderr.write(self._end())

    def _end(self) -> str:
        """Waits for the end; what the server has complained of."""
        try:
            # Not only the end of its input: a forked process may hold that open.
            self._process.communicate("\n", timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)
        with self._said:
            self._said.seek(0)
            return self._said.read()
