"""What pyscard sees of the cards."""

import threading

import pytest
from smartcard import scard
from smartcard.System import readers

SELECT = bytes.fromhex("00A404000BE82B0601040181C31F0201")
VERIFY_WRONG = bytes.fromhex("0020008106 303030303030")
TRIES_LEFT = bytes.fromhex("00200081")
PNP = "\\\\?PnP?\\Notification"


def names():
    return [reader.name for reader in readers()]


def status(connection, apdu):
    _, sw1, sw2 = connection.transmit(list(apdu))
    return f"{sw1:02X}{sw2:02X}"


def wait(context, reader, known):
    """The state of a reader, once it is another one than known."""
    code, states = scard.SCardGetStatusChange(context, 30_000, [(reader, known)])
    assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
    return states[0][1]


def while_waiting(context, reader, known, work):
    """The state of a reader for which a thread waits, while another one works."""
    seen = []
    waiting = threading.Thread(target=lambda: seen.append(wait(context, reader, known)))
    waiting.start()
    work()
    waiting.join()
    [state] = seen
    return state


@pytest.fixture
def context(smartcard_hsm_server):
    code, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_USER)
    assert code == scard.SCARD_S_SUCCESS, scard.SCardGetErrorMessage(code)
    yield context
    scard.SCardReleaseContext(context)


def test_a_card_answers_in_the_only_reader(smartcard_hsm):
    card = smartcard_hsm()

    assert names() == [card.reader]
    data, sw1, sw2 = card.connect().transmit(list(SELECT))
    assert (sw1, sw2) == (0x90, 0x00)
    assert data[-2:] == [3, 4]


def test_cards_of_different_firmware_have_readers_of_their_own(smartcard_hsm):
    old, new = smartcard_hsm(firmware="2.6"), smartcard_hsm(firmware="4.1")

    assert sorted(names()) == sorted([old.reader, new.reader])
    for card, version in [(old, [2, 6]), (new, [4, 1])]:
        data, _, _ = card.connect().transmit(list(SELECT))
        assert data[-2:] == version


@pytest.mark.parametrize("turn", range(3))
def test_a_test_sees_nothing_of_the_one_before(smartcard_hsm, turn):
    card = smartcard_hsm(serial="ZZVS0000001")

    assert names() == [card.reader]
    connection = card.connect()
    assert status(connection, SELECT) == "9000"
    assert status(connection, TRIES_LEFT) == "63C3"
    # What the next one would see.
    assert status(connection, VERIFY_WRONG) == "63C2"
    smartcard_hsm(initialize=False)


def test_a_waiting_client_sees_the_card_go_and_come(smartcard_hsm, context):
    card = smartcard_hsm()
    state = wait(context, card.reader, scard.SCARD_STATE_UNAWARE)
    assert state & scard.SCARD_STATE_PRESENT

    state = while_waiting(context, card.reader, state, card.remove)
    assert state & scard.SCARD_STATE_EMPTY

    state = while_waiting(context, card.reader, state, card.insert)
    assert state & scard.SCARD_STATE_PRESENT


def test_a_waiting_client_sees_the_reader_go(smartcard_hsm, context):
    card = smartcard_hsm()
    state = wait(context, card.reader, scard.SCARD_STATE_UNAWARE)

    state = while_waiting(context, card.reader, state, card.unplug)

    assert state & (scard.SCARD_STATE_UNKNOWN | scard.SCARD_STATE_UNAVAILABLE)
    assert names() == []


def test_a_waiting_client_sees_a_reader_come(smartcard_hsm, context):
    while_waiting(context, PNP, scard.SCARD_STATE_UNAWARE, smartcard_hsm)

    assert len(names()) == 1


def test_a_reset_ends_the_session_and_a_client_is_told(smartcard_hsm):
    card = smartcard_hsm()
    connection = card.connect()
    assert status(connection, SELECT) == "9000"
    assert status(connection, bytes.fromhex("0020008106") + card.pin.encode()) == "9000"
    assert status(connection, TRIES_LEFT) == "9000"

    card.reset()

    with pytest.raises(Exception, match="(?i)reset"):
        status(connection, TRIES_LEFT)
    assert status(card.connect(), SELECT) == "9000"
