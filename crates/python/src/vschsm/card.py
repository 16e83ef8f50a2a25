"""A card, and what can be done to it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vschsm import control
from vschsm.error import Error


class Card:
    """A card in a reader of its own, made by `Server.insert`.

    Clients see what they would see if somebody did it by hand; each method returns when it is done.
    """

    #: The reader's name, as clients list it.
    reader: str
    #: The reader's number, as `vschsm ctl list` shows it.
    number: int
    #: The token's serial number.
    serial: str
    #: The token's label; None if the card is not initialised.
    label: str | None
    #: The user PIN that the card was made with, or may be initialised with.
    pin: str
    #: The SO-PIN, 16 hexadecimal digits as sc-hsm-tool takes it.
    so_pin: str

    def __init__(self, socket: str, file: Path, seed: str | None, pin: str, so_pin: str) -> None:
        self._socket = socket
        self._kept = {"file": str(file), "seed": seed}
        self._plugged = True
        self.pin = pin
        self.so_pin = so_pin
        inserted = control.ask(socket, command="insert", **self._kept)
        self.reader, self.number = inserted["name"], inserted["reader"]
        self._look()

    def __repr__(self) -> str:
        return f"<vschsm.Card {self.serial} in {self.reader!r}>"

    def remove(self) -> None:
        """Takes the card out of its reader, which stays; the card keeps what it has."""
        self._ask("remove")

    def insert(self) -> None:
        """Puts the card into its reader again."""
        self._ask("insert", **self._kept)

    def unplug(self) -> None:
        """Takes the reader away, and the card for good; once it is gone, does nothing."""
        if not self._plugged:
            return
        self._plugged = False
        readers = control.ask(self._socket, command="list")["readers"]
        if any(reader["reader"] == self.number for reader in readers):
            control.ask(self._socket, command="unplug", reader=self.number)

    def reset(self) -> None:
        """Resets the card, which forgets the login."""
        self._ask("reset")

    def power_cycle(self) -> None:
        """Takes the card out and puts it in again."""
        self._ask("power-cycle")

    def snapshot(self) -> str:
        """All that the card is now, as `restore` takes it and `vschsm new` writes it."""
        image: str = self._ask("snapshot")["image"]
        return image

    def restore(self, image: str) -> None:
        """Makes the card what it was in a snapshot, or any other card, and power-cycles it."""
        self._ask("restore", image=image)
        self._look()

    def show(self) -> dict[str, Any]:
        """Firmware, PIN states, key domains, keys, files: as `vschsm show --json`, no secrets."""
        return self._ask("show")

    def set_tries(self, *, user_pin: int | None = None, so_pin: int | None = None) -> None:
        """Sets how many tries a PIN has left; 0 blocks it."""
        self._ask("set-tries", **{"user-pin": user_pin, "so-pin": so_pin})

    def set_faults(self, faults: list[dict[str, Any]], *, seed: str = "") -> None:
        """Lets things go wrong on purpose, and nothing else than these.

        Each is a dict with `do` and, unless it matches every command, `when`, as in docs/faults.md:
        `card.set_faults([{"when": {"command": "SIGN"}, "do": {"answer": "6F00"}}])`.
        """
        self._ask("set-faults", faults={"seed": seed, "fault": faults})

    def clear_faults(self) -> None:
        """Lets nothing go wrong any more."""
        self._ask("clear-faults")

    def faults(self) -> list[dict[str, Any]]:
        """What goes wrong, and how many of the commands that it fits (`fitting`) it has `struck`."""
        faults: list[dict[str, Any]] = self._ask("faults")["fault"]
        return faults

    def connect(self) -> Any:
        """A connection of pyscard to the card."""
        from smartcard.System import readers

        for reader in readers():
            if reader.name == self.reader:
                connection = reader.createConnection()
                connection.connect()
                return connection
        raise Error(f"pyscard does not see the reader {self.reader!r}{_LATE}")

    def slot(self, module: Any) -> int:
        """The slot of the card in a PKCS#11 module that PyKCS11 has loaded."""
        for slot in module.getSlotList(tokenPresent=True):
            if module.getTokenInfo(slot).serialNumber.strip() == self.serial:
                return int(slot)
        raise Error(f"the PKCS#11 module does not see the token {self.serial}{_LATE}")

    def _ask(self, command: str, **fields: Any) -> dict[str, Any]:
        if not self._plugged:
            # Another reader may have its number and its name.
            raise Error(f"the reader of the card {self.serial} is unplugged")
        return control.ask(self._socket, command=command, reader=self.number, **fields)

    def _look(self) -> None:
        shown = self.show()
        self.serial, self.label = shown["serial"], shown["label"]


_LATE = ": has this process used PC/SC before it was told of the server?"
