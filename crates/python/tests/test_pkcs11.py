"""The cards as PyKCS11 finds them, through OpenSC's PKCS#11 module."""

import PyKCS11
import pytest

import vschsm


def login(module, card):
    session = module.openSession(card.slot(module))
    session.login(card.pin)
    return session


def key(session, kind, id):
    [key] = session.findObjects([(PyKCS11.CKA_CLASS, kind), (PyKCS11.CKA_ID, [id])])
    return key


@pytest.mark.parametrize(
    "kind, mechanism",
    [("rsa:1024", PyKCS11.CKM_SHA256_RSA_PKCS), ("ec:secp256r1", PyKCS11.CKM_ECDSA_SHA256)],
)
def test_a_key_signs(smartcard_hsm, pkcs11, kind, mechanism):
    card = smartcard_hsm(keys=[f"{kind},id=10,label=signing"], certificates=["10=CN=Test"])
    session = login(pkcs11, card)
    private = key(session, PyKCS11.CKO_PRIVATE_KEY, 0x10)
    public = key(session, PyKCS11.CKO_PUBLIC_KEY, 0x10)
    assert session.getAttributeValue(private, [PyKCS11.CKA_LABEL]) == ["signing"]
    assert session.findObjects([(PyKCS11.CKA_CLASS, PyKCS11.CKO_CERTIFICATE)])

    mechanism = PyKCS11.Mechanism(mechanism)
    signature = session.sign(private, b"a message", mechanism)

    assert session.verify(public, b"a message", signature, mechanism)
    assert not session.verify(public, b"another one", signature, mechanism)


def test_a_card_is_found_among_others(smartcard_hsm, pkcs11):
    cards = [smartcard_hsm(label=f"card {number}") for number in range(3)]

    for card in cards:
        assert pkcs11.getTokenInfo(card.slot(pkcs11)).label.strip() == f"{card.label} (UserPIN)"
    cards[1].unplug()
    cards[2].slot(pkcs11)
    with pytest.raises(vschsm.Error, match=cards[1].serial):
        cards[1].slot(pkcs11)


def test_a_blocked_pin_is_said_to_be_blocked(smartcard_hsm, pkcs11):
    card = smartcard_hsm()
    card.set_tries(user_pin=0)

    with pytest.raises(PyKCS11.PyKCS11Error, match="CKR_PIN_LOCKED"):
        login(pkcs11, card)


def test_a_pin_of_ones_own(smartcard_hsm, pkcs11):
    login(pkcs11, smartcard_hsm(pin="12345678", so_pin="0011223344556677", tries=2))


def test_a_module_finds_any_number_of_cards_in_turn(smartcard_hsm, pkcs11):
    for _ in range(6):
        cards = [smartcard_hsm(), smartcard_hsm(serial="ZZVS0000001")]
        for card in cards:
            assert len(login(pkcs11, card).generateRandom(8)) == 8
        for card in cards:
            card.unplug()


def test_the_same_seed_brings_the_same_card(smartcard_hsm, pkcs11):
    def answers():
        card = smartcard_hsm(seed="the same", keys=["ec:secp256r1,id=10"])
        session = login(pkcs11, card)
        public = key(session, PyKCS11.CKO_PUBLIC_KEY, 0x10)
        [point] = session.getAttributeValue(public, [PyKCS11.CKA_EC_POINT])
        random = list(session.generateRandom(16))
        card.unplug()
        return list(point), random

    assert answers() == answers()
