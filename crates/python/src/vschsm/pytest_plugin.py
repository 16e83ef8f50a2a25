"""The fixtures that pytest finds when the package is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from vschsm.card import Card
from vschsm.server import Server


@pytest.fixture(scope="session")
def smartcard_hsm_server() -> Iterator[Server]:
    """The server of this pytest process, which it and its children find from here on.

    Its readers are there until somebody unplugs them: for fixtures of a wider scope than a test.
    """
    with Server() as server, pytest.MonkeyPatch.context() as environment:
        for name, value in server.variables.items():
            environment.setenv(name, value)
        yield server


@pytest.fixture
def smartcard_hsm(smartcard_hsm_server: Server) -> Iterator[Callable[..., Card]]:
    """Makes a card in a reader of its own for this test; takes what `Server.insert` takes.

    May be called several times; in the end the readers are gone.
    """
    with ExitStack() as readers:

        def insert(**options: Any) -> Card:
            card = smartcard_hsm_server.insert(**options)
            readers.callback(card.unplug)
            return card

        yield insert
