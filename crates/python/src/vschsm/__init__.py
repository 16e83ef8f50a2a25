"""Virtual SmartCard-HSMs for tests.

A `Server` has readers that PC/SC clients find if they are told of it; `Server.insert` puts a new
card into another reader. The pytest fixture `smartcard_hsm` does both for a test.
"""

from vschsm.card import Card
from vschsm.error import Error
from vschsm.server import PIN, SO_PIN, Server

__all__ = ["PIN", "SO_PIN", "Card", "Error", "Server"]
