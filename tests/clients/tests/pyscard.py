# Every function of winscard as pyscard has it.
import sys
import threading
from smartcard.scard import *

NO_READERS = 0x8010002E
SELECT = [0x00, 0xA4, 0x04, 0x0C, 0x0B] + list(bytes.fromhex("E82B0601040181C31F0201"))


def ok(answer):
    code, *rest = answer if isinstance(answer, (list, tuple)) else [answer]
    assert code == SCARD_S_SUCCESS, SCardGetErrorMessage(code)
    return rest[0] if len(rest) == 1 else rest


def fails(expected, answer):
    code = answer[0] if isinstance(answer, (list, tuple)) else answer
    assert code == expected, "%s instead of %s" % (
        SCardGetErrorMessage(code), SCardGetErrorMessage(expected))


context = ok(SCardEstablishContext(SCARD_SCOPE_USER))
ok(SCardIsValidContext(context))

# A wait for readers to come, as the first call of all, ends when it has been long enough.
pnp = "\\\\?PnP?\\Notification"
fails(SCARD_E_TIMEOUT, SCardGetStatusChange(context, 10, [(pnp, SCARD_STATE_UNAWARE)]))

[reader] = ok(SCardListReaders(context, []))
[(name, state, atr)] = ok(SCardGetStatusChange(context, 0, [(reader, SCARD_STATE_UNAWARE)]))
assert name == reader and state & SCARD_STATE_PRESENT and len(atr) == 24, (state, atr)
fails(SCARD_E_TIMEOUT, SCardGetStatusChange(context, 50, [(reader, state & ~SCARD_STATE_CHANGED)]))

card, protocol = ok(SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_ANY))
assert protocol == SCARD_PROTOCOL_T1
fails(SCARD_E_PROTO_MISMATCH,
      SCardConnect(context, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T0))
fails(SCARD_E_SHARING_VIOLATION,
      SCardConnect(context, reader, SCARD_SHARE_EXCLUSIVE, SCARD_PROTOCOL_T1))
fails(SCARD_E_UNKNOWN_READER,
      SCardConnect(context, "nothing", SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1))
name, state, active, seen = ok(SCardStatus(card))
assert name == reader and active == SCARD_PROTOCOL_T1 and seen == atr

# Short and extended APDUs, up to the whole of a file.
ok(SCardBeginTransaction(card))
ok(SCardBeginTransaction(card))
assert ok(SCardTransmit(card, SCARD_PCI_T1, SELECT)) == [0x90, 0x00]
long = [0x00, 0xD7, 0xCF, 0x01, 0x00, 0x05, 0x08, 0x54, 0x02, 0x00, 0x00, 0x53, 0x82, 0x05, 0x00]
assert len(ok(SCardTransmit(card, SCARD_PCI_T1, long + [0x5A] * 0x500))) == 2
whole = ok(SCardTransmit(card, SCARD_PCI_T1,
                         [0x00, 0xB1, 0x2F, 0x02, 0, 0, 4, 0x54, 2, 0, 0, 0, 0]))
assert len(whole) > 258 and whole[-2:] == [0x90, 0x00], len(whole)
fails(SCARD_E_PROTO_MISMATCH, SCardTransmit(card, SCARD_PCI_T0, SELECT))
ok(SCardEndTransaction(card, SCARD_LEAVE_CARD))
ok(SCardEndTransaction(card, SCARD_LEAVE_CARD))
fails(SCARD_E_NOT_TRANSACTED, SCardEndTransaction(card, SCARD_LEAVE_CARD))

# What the reader says of itself, as libccid has it for a Nitrokey HSM.
assert ok(SCardControl(card, SCARD_CTL_CODE(3400), [])) == [0x12, 4, 0x42, 0x33, 0, 0x12]
properties = ok(SCardControl(card, 0x42330012, []))
assert bytes(properties).hex() == "01020000" "030100" "090100" "0b02a020" "0c023042" "0a0400000100"
fails(SCARD_E_NOT_TRANSACTED, SCardControl(card, SCARD_CTL_CODE(1), []))
fails(SCARD_E_UNSUPPORTED_FEATURE, SCardControl(card, SCARD_CTL_CODE(2), []))


def attribute(number):
    return bytes(ok(SCardGetAttrib(card, number)))


assert ok(SCardGetAttrib(card, SCARD_ATTR_ATR_STRING)) == atr
assert attribute(SCARD_ATTR_VENDOR_NAME) == b"Nitrokey\0"
assert attribute(SCARD_ATTR_VENDOR_IFD_VERSION) == (0x01000000).to_bytes(4, sys.byteorder)
assert attribute(SCARD_ATTR_VENDOR_IFD_SERIAL_NO).rstrip(b"\0").decode() in reader
assert attribute(SCARD_ATTR_CHANNEL_ID) == (0x00200102).to_bytes(4, sys.byteorder)
assert attribute(SCARD_ATTR_MAXINPUT) == (261).to_bytes(4, sys.byteorder)
assert attribute(SCARD_ATTR_ICC_PRESENCE) == b"\2"
assert attribute(SCARD_ATTR_ICC_INTERFACE_STATUS) == b"\1"
assert attribute(SCARD_ATTR_DEVICE_FRIENDLY_NAME_A).rstrip(b"\0") == reader.encode()
fails(SCARD_E_UNSUPPORTED_FEATURE, SCardSetAttrib(card, SCARD_ATTR_VENDOR_NAME, [1]))

# A reset is news to every other handle, and only until that reconnects.
other = ok(SCardEstablishContext(SCARD_SCOPE_SYSTEM))
second, _ = ok(SCardConnect(other, reader, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1))
ok(SCardReconnect(card, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_RESET_CARD))
fails(SCARD_W_RESET_CARD, SCardTransmit(second, SCARD_PCI_T1, SELECT))
ok(SCardReconnect(second, SCARD_SHARE_SHARED, SCARD_PROTOCOL_T1, SCARD_LEAVE_CARD))
assert ok(SCardTransmit(second, SCARD_PCI_T1, SELECT)) == [0x90, 0x00]

# Somebody who waits sees who comes and goes, and can be called off.
[(_, state, _)] = ok(SCardGetStatusChange(context, 0, [(reader, SCARD_STATE_UNAWARE)]))
watching = threading.Thread(target=lambda: SCardDisconnect(second, SCARD_UNPOWER_CARD))
ok(SCardDisconnect(card, SCARD_LEAVE_CARD))
watching.start()
while state & SCARD_STATE_INUSE:
    [(_, state, _)] = ok(SCardGetStatusChange(context, 60000, [(reader, state & ~SCARD_STATE_CHANGED)]))
watching.join()
outcome = []


def wait():
    seen = state & ~SCARD_STATE_CHANGED
    outcome.append(SCardGetStatusChange(context, INFINITE, [(reader, seen)])[0])


waiting = threading.Thread(target=wait)
waiting.start()
while waiting.is_alive():
    ok(SCardCancel(context))
assert outcome == [SCARD_E_CANCELLED], outcome

ok(SCardReleaseContext(other))
ok(SCardReleaseContext(context))
fails(SCARD_E_INVALID_HANDLE, SCardIsValidContext(context))
print("all is well")
