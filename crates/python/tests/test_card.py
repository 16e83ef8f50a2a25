"""What can be done to a card."""

import subprocess
import sys

import pytest

import vschsm


def test_a_card_is_as_it_was_asked_for(smartcard_hsm):
    card = smartcard_hsm(
        firmware="3.2", serial="ZZVS0000042", label="mine", tries=2, keys=["aes:256,id=07"],
        options=["--domains", "2"],
    )

    assert (card.serial, card.label) == ("ZZVS0000042", "mine")
    assert (card.pin, card.so_pin) == ("648219", "3537363231383830")
    assert card.serial in repr(card) and card.reader in repr(card)
    shown = card.show()
    assert shown["firmware"] == "3.2"
    assert shown["user_pin"] == {"tries": 2, "tries_left": 2}
    assert shown["key_domains"] == [None, None]
    assert [key["type"] for key in shown["keys"]] == ["AES"]


def test_a_card_as_delivered_awaits_initialisation(smartcard_hsm):
    card = smartcard_hsm(initialize=False)

    assert card.label is None
    assert card.show()["user_pin"] is None


def test_a_card_keeps_what_it_has_when_it_is_removed(smartcard_hsm):
    card = smartcard_hsm(keys=["ec:secp256r1"])
    card.set_tries(user_pin=1)
    before = card.show()

    card.remove()
    with pytest.raises(vschsm.Error, match="there is no card in reader"):
        card.show()
    card.insert()

    assert card.show() == before
    with pytest.raises(vschsm.Error, match="in use"):
        card.insert()


def test_tries_are_set(smartcard_hsm):
    card = smartcard_hsm()

    card.set_tries(user_pin=0, so_pin=7)

    shown = card.show()
    assert shown["user_pin"]["tries_left"] == 0
    assert shown["so_pin"]["tries_left"] == 7
    with pytest.raises(vschsm.Error, match="never has more than 3 tries"):
        card.set_tries(user_pin=16)


def test_faults_come_strike_and_go(smartcard_hsm):
    card = smartcard_hsm()
    challenge = [0x00, 0x84, 0x00, 0x00, 0x08]

    card.set_faults([{"when": {"command": "GET CHALLENGE", "count": 2}, "do": {"answer": "6F00"}}])

    connection = card.connect()
    connection.transmit(list(bytes.fromhex("00A4040C0BE82B0601040181C31F0201")))
    answers = [connection.transmit(challenge)[1:] for _ in range(3)]
    assert answers == [(0x90, 0x00), (0x6F, 0x00), (0x90, 0x00)]
    [fault] = card.faults()
    assert (fault["fitting"], fault["struck"]) == (3, 1)
    card.clear_faults()
    assert card.faults() == []
    with pytest.raises(vschsm.Error, match="unknown variant `explode`"):
        card.set_faults([{"do": "explode"}])


def test_a_snapshot_is_restored_here_and_elsewhere(smartcard_hsm):
    card, other = smartcard_hsm(label="first"), smartcard_hsm(label="second")
    image, before = card.snapshot(), card.show()
    card.set_tries(user_pin=0)

    card.restore(image)
    other.restore(image)

    assert card.show() == other.show() == before
    assert (other.serial, other.label) == (card.serial, "first")
    with pytest.raises(vschsm.Error):
        card.restore("not an image")


def test_a_power_cycle_leaves_what_is_stored(smartcard_hsm):
    card = smartcard_hsm(label="stays")
    before = card.show()

    card.power_cycle()

    assert card.show() == before


def test_a_card_that_is_unplugged_is_gone(smartcard_hsm):
    card = smartcard_hsm()

    card.unplug()
    card.unplug()

    # In a reader of the same name.
    other = smartcard_hsm()
    assert other.reader == card.reader
    gone = f"the reader of the card {card.serial} is unplugged"
    for order in (card.show, card.reset, card.remove, card.insert):
        with pytest.raises(vschsm.Error, match=gone):
            order()


def test_a_reader_that_somebody_has_unplugged_is_not_missed(smartcard_hsm, smartcard_hsm_server):
    card = smartcard_hsm()

    subprocess.run(
        [sys.executable, "-m", "vschsm", "ctl", "unplug", card.reader],
        env=smartcard_hsm_server.environment, check=True,
    )

    with pytest.raises(vschsm.Error, match="there is no reader"):
        card.show()


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"firmware": "9.9"}, 'no firmware is called "9.9"'),
        ({"serial": "short"}, "a serial number is eleven characters"),
        ({"pin": "1"}, "a PIN has 6 to 16 characters"),
        ({"firmware": "2.6", "keys": ["rsa:4096"]}, "does not make the key rsa:4096"),
        ({"options": ["--nonsense"]}, "unexpected argument '--nonsense'"),
    ],
)
def test_an_error_says_what_the_program_says(smartcard_hsm, options, sentence):
    with pytest.raises(vschsm.Error, match=sentence) as raised:
        smartcard_hsm(**options)

    assert "\n" not in str(raised.value)
    assert not str(raised.value).startswith(("vschsm: ", "error: "))
