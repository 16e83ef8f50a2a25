# Calls of winscard, one a line with what it comes to: run at pcscd and at the built-in server, and
# compared. What differs has a reason in winscard.md.
#
# Clients are called A, B and so on; each has a context of its own, which is all that a server
# sees of a process. A call that has not returned after a while "waits"; what it comes to in the
# end has a line of its own.
import ctypes
import os
import subprocess
import threading
from ctypes import POINTER, Structure, byref, c_char_p, c_long, c_ubyte, c_ulong, c_void_p

READER = os.environ["READER"].encode()
# How long a call waits that waits: all others are done in far less.
WAITING = 0.5
PATIENCE = 30

EXCLUSIVE, SHARED, DIRECT = 1, 2, 3
T0, T1, ANY, RAW, ANY_OLD = 1, 2, 3, 4, 0x1000
LEAVE, RESET, UNPOWER, EJECT = 0, 1, 2, 3
PRESENT, EMPTY = 0x20, 0x10
UNTOUCHED = 0x77
FEATURES, PROPERTIES = 0x42000D48, 0x42330012
SELECT = bytes.fromhex("00A4040C0BE82B0601040181C31F0201")
# Its response has 10 bytes, wherever that is sent.
CHALLENGE = bytes.fromhex("0084000008")

CODES = {
    0: "OK", 0x80100001: "INTERNAL_ERROR", 0x80100002: "CANCELLED", 0x80100003: "INVALID_HANDLE",
    0x80100004: "INVALID_PARAMETER", 0x80100006: "NO_MEMORY", 0x80100008: "INSUFFICIENT_BUFFER",
    0x80100009: "UNKNOWN_READER", 0x8010000A: "TIMEOUT", 0x8010000B: "SHARING_VIOLATION",
    0x8010000C: "NO_SMARTCARD", 0x8010000F: "PROTO_MISMATCH", 0x80100011: "INVALID_VALUE",
    0x80100016: "NOT_TRANSACTED", 0x80100017: "READER_UNAVAILABLE",
    0x8010001F: "UNSUPPORTED_FEATURE", 0x8010002E: "NO_READERS_AVAILABLE",
    0x80100066: "UNRESPONSIVE_CARD", 0x80100067: "UNPOWERED_CARD", 0x80100068: "RESET_CARD",
    0x80100069: "REMOVED_CARD",
}
SHARES = {EXCLUSIVE: "EXCLUSIVE", SHARED: "SHARED", DIRECT: "DIRECT"}
PROTOCOLS = {T0: "T0", T1: "T1", ANY: "ANY", RAW: "RAW", ANY_OLD: "ANY_OLD", T1 | RAW: "T1|RAW"}
DISPOSITIONS = {LEAVE: "LEAVE", RESET: "RESET", UNPOWER: "UNPOWER", EJECT: "EJECT"}
ATTRIBUTES = {
    "VENDOR_NAME": 0x00010100, "VENDOR_IFD_TYPE": 0x00010101, "VENDOR_IFD_VERSION": 0x00010102,
    "VENDOR_IFD_SERIAL_NO": 0x00010103, "CHANNEL_ID": 0x00020110,
    "ICC_PRESENCE": 0x00090300, "ICC_INTERFACE_STATUS": 0x00090301, "ATR_STRING": 0x00090303,
    "MAXINPUT": 0x0007A007, "DEVICE_FRIENDLY_NAME": 0x7FFF0003, "DEVICE_SYSTEM_NAME": 0x7FFF0004,
    "MAX_IFSD": 0x00030125,
}


class IoRequest(Structure):
    _fields_ = [("protocol", c_ulong), ("length", c_ulong)]


class ReaderState(Structure):
    _fields_ = [("reader", c_char_p), ("user", c_void_p), ("current", c_ulong),
                ("event", c_ulong), ("length", c_ulong), ("atr", c_ubyte * 33)]


library = ctypes.CDLL("libpcsclite.so.1")
for name, arguments in {
    "SCardEstablishContext": [c_ulong, c_void_p, c_void_p, POINTER(c_long)],
    "SCardReleaseContext": [c_long], "SCardIsValidContext": [c_long], "SCardCancel": [c_long],
    "SCardListReaders": [c_long, c_char_p, c_char_p, POINTER(c_ulong)],
    "SCardListReaderGroups": [c_long, c_char_p, POINTER(c_ulong)],
    "SCardConnect": [c_long, c_char_p, c_ulong, c_ulong, POINTER(c_long), POINTER(c_ulong)],
    "SCardReconnect": [c_long, c_ulong, c_ulong, c_ulong, POINTER(c_ulong)],
    "SCardDisconnect": [c_long, c_ulong], "SCardBeginTransaction": [c_long],
    "SCardEndTransaction": [c_long, c_ulong],
    "SCardStatus": [c_long, c_char_p, POINTER(c_ulong), POINTER(c_ulong), POINTER(c_ulong),
                    c_char_p, POINTER(c_ulong)],
    "SCardGetStatusChange": [c_long, c_ulong, POINTER(ReaderState), c_ulong],
    "SCardControl": [c_long, c_ulong, c_char_p, c_ulong, c_char_p, c_ulong, POINTER(c_ulong)],
    "SCardTransmit": [c_long, POINTER(IoRequest), c_char_p, c_ulong, POINTER(IoRequest),
                      c_char_p, POINTER(c_ulong)],
    "SCardGetAttrib": [c_long, c_ulong, c_char_p, POINTER(c_ulong)],
    "SCardSetAttrib": [c_long, c_ulong, c_char_p, c_ulong],
}.items():
    getattr(library, name).argtypes = arguments
    getattr(library, name).restype = c_long

said = {}
saying = threading.Lock()
group = ""


def say(call, result):
    line = "%s: %s" % (group, call)
    with saying:
        said[line] = said.get(line, 0) + 1
        count = " (%d)" % said[line] if said[line] > 1 else ""
        print("%s%s | %s" % (line, count, result), flush=True)


def code(value):
    value &= 0xFFFFFFFF
    return CODES.get(value, "%08X" % value)


class Client:
    """A context, and a handle in it."""

    def __init__(self, name, handle=0, context=None):
        self.name, self.handle, self.context = name, c_long(handle), context
        if context is None:
            self.context = c_long()
            assert library.SCardEstablishContext(2, None, None, byref(self.context)) == 0

    def sibling(self, name):
        """Another handle of the same context."""
        return Client(name, context=self.context)

    def say(self, call, result):
        say("%s %s" % (self.name, call), result)

    def connect(self, share=SHARED, protocols=T1, reader=READER, quiet=False):
        active = c_ulong(UNTOUCHED)
        result = library.SCardConnect(self.context, reader, share, protocols,
                                      byref(self.handle), byref(active))
        if not quiet:
            name = "" if reader == READER else " %r" % reader.decode()
            self.say("connect %s %s%s" % (SHARES.get(share, share),
                                          PROTOCOLS.get(protocols, protocols), name),
                     "%s, active %d%s" % (code(result), active.value,
                                          "" if self.handle.value or result else ", no handle"))
        return result

    def reconnect(self, share=SHARED, protocols=T1, then=LEAVE):
        active = c_ulong(UNTOUCHED)
        result = library.SCardReconnect(self.handle, share, protocols, then, byref(active))
        self.say("reconnect %s %s %s" % (SHARES.get(share, share),
                                         PROTOCOLS.get(protocols, protocols),
                                         DISPOSITIONS.get(then, then)),
                 "%s, active %d" % (code(result), active.value))

    def disconnect(self, then=LEAVE):
        self.say("disconnect %s" % DISPOSITIONS.get(then, then),
                 code(library.SCardDisconnect(self.handle, then)))

    def begin(self):
        self.say("begin", code(library.SCardBeginTransaction(self.handle)))

    def end(self, then=LEAVE):
        self.say("end %s" % DISPOSITIONS.get(then, then),
                 code(library.SCardEndTransaction(self.handle, then)))

    def status(self):
        state, protocol, name, atr = c_ulong(), c_ulong(), c_ulong(), c_ulong()
        result = library.SCardStatus(self.handle, None, byref(name), byref(state),
                                     byref(protocol), None, byref(atr))
        more = "" if result else ", state %02X, protocol %d, ATR of %d" % (
            state.value & 0xFFFF, protocol.value, atr.value)
        self.say("status", code(result) + more)

    def transmit(self, protocol=T1, apdu=SELECT, room=300, receive=None):
        send, length = IoRequest(protocol, 16), c_ulong(room)
        answer = ctypes.create_string_buffer(300)
        receive = IoRequest(*receive) if receive else None
        result = library.SCardTransmit(self.handle, byref(send), apdu, len(apdu),
                                       byref(receive) if receive else None, answer, byref(length))
        what = "" if apdu == SELECT else " a challenge"
        what += "" if room == 300 else ", room for %d" % room
        more = ", %d bytes" % length.value
        if receive:
            more += ", PCI %d of %d" % (receive.protocol, receive.length)
        self.say("transmit %s%s%s" % (PROTOCOLS.get(protocol, protocol), what,
                                      ", with a PCI" if receive else ""), code(result) + more)

    def control(self, number, what="", room=300, data=b""):
        answer, length = ctypes.create_string_buffer(300), c_ulong(UNTOUCHED)
        result = library.SCardControl(self.handle, number, data, len(data), answer, room,
                                      byref(length))
        more = "" if result else ", %s" % answer.raw[:min(length.value, 300)].hex()
        what = what or "%08X" % number
        what += "" if room == 300 else ", room for %d" % room
        self.say("control %s" % what, "%s, %d bytes%s" % (code(result), length.value, more))

    def attribute(self, name, room=264):
        answer, length = ctypes.create_string_buffer(264), c_ulong(room)
        result = library.SCardGetAttrib(self.handle, ATTRIBUTES[name], answer, byref(length))
        value = answer.raw[:length.value].hex()
        if name.startswith("DEVICE"):
            value = "its name and a zero" if answer.raw[:length.value] == READER + b"\0" else value
        more = "" if result else ", %s" % (value or "nothing")
        self.say("attribute %s%s" % (name, "" if room == 264 else ", room for %d" % room),
                 code(result) + more)

    def set_attribute(self, name):
        self.say("set %s" % name,
                 code(library.SCardSetAttrib(self.handle, ATTRIBUTES[name], b"\1", 1)))

    def change(self, what, entries, timeout=0):
        """GetStatusChange: entries of a reader's name and what is known of it."""
        states = (ReaderState * len(entries))()
        for state, (reader, current) in zip(states, entries):
            state.reader, state.current = reader, current
        result = library.SCardGetStatusChange(self.context, timeout, states, len(entries))
        # Not the counters, which are above.
        events = " ".join("%03X" % (state.event & 0xFFFF) for state in states[:3])
        self.say("change %s" % what, code(result) + ("" if result else ", %s" % events))

    def release(self):
        self.say("release", code(library.SCardReleaseContext(self.context)))

    def gone(self):
        """Leaves without a line."""
        library.SCardReleaseContext(self.context)


def waits(call, meanwhile):
    """A call that waits, and what ends that."""
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(WAITING)
    if thread.is_alive():
        say("the next one", "waits")
    meanwhile()
    thread.join(PATIENCE)
    if thread.is_alive():
        say("the last one", "waits for ever")


def wait_for(bit):
    """Waits until clients see a card, or none."""
    watcher = Client("watcher")
    state = (ReaderState * 1)()
    state[0].reader = READER
    while not state[0].event & bit:
        state[0].current = state[0].event & ~2
        library.SCardGetStatusChange(watcher.context, PATIENCE * 1000, state, 1)
    watcher.gone()


def ctl(*order):
    words = [os.environ["VSCHSM"], "ctl", "--socket", os.environ["CONTROL"], *order]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)


def take_out():
    ctl("remove")
    wait_for(EMPTY)


def put_in():
    ctl("insert", os.environ["CARD"], "--reader", "0")
    wait_for(PRESENT)


def clients(names):
    return [Client(name) for name in names]


def connected(names, share=SHARED):
    """Clients with a handle each."""
    made = clients(names)
    for client in made:
        assert client.connect(share, T1, quiet=True) == 0, client.name
    return made


def contexts():
    context = c_long(UNTOUCHED)
    for scope in (0, 1, 2, 3, 4):
        result = library.SCardEstablishContext(scope, None, None, byref(context))
        say("establish %d" % scope, code(result))
    [a] = clients("A")
    a.say("is valid", code(library.SCardIsValidContext(a.context)))
    a.release()
    a.release()
    a.connect()
    a.say("is valid", code(library.SCardIsValidContext(a.context)))
    a.change("of the reader", [(READER, 0)])


def lists():
    [a] = clients("A")
    length = c_ulong()
    result = library.SCardListReaderGroups(a.context, None, byref(length))
    a.say("list groups", "%s, %d bytes" % (code(result), length.value))
    a.change("of the reader", [(READER, 0)])
    a.change("of what is known", [(READER, PRESENT)])
    a.change("of what is known otherwise", [(READER, EMPTY)])
    a.change("of an unknown reader", [(b"no such reader", 0)])
    a.change("of the reader and an unknown one", [(READER, 0), (b"no such reader", 0)])
    a.change("of one without a name", [(b"", 0)])
    a.change("of an ignored one", [(READER, 1)])
    a.change("of nothing", [])
    a.change("of 16 times the reader", [(READER, 0)] * 16)
    a.change("of the reader and of plug and play", [(READER, 0), (rb"\\?PnP?\Notification", 0)])
    [b] = connected("B")
    a.change("of a reader in use", [(READER, 0)])
    b.disconnect()
    [b] = connected("B", EXCLUSIVE)
    a.change("of a reader in exclusive use", [(READER, 0)])
    b.gone()


def connections():
    [a] = clients("A")
    a.connect(SHARED, T0)
    a.connect(SHARED, 0)
    a.connect(7, T1)
    a.connect(7, 0)
    a.connect(DIRECT, 0, b"no such reader")
    a.connect(SHARED, T1, b"no such reader")
    a.connect(SHARED, T1, b"")
    a.connect(SHARED, T1, b"x" * 128)
    a.connect(SHARED, T1, b"x" * 129)
    a.connect(SHARED, ANY)
    a.status()
    b = a.sibling("A2")
    b.connect(SHARED, T0)
    b.connect(SHARED, ANY_OLD)
    b.connect(DIRECT, 0)
    b.connect(DIRECT, T0)
    b.status()
    b.disconnect(7)
    b.disconnect()
    b.disconnect()
    b.begin()
    a.disconnect()
    [c] = clients("C")
    c.connect(SHARED, ANY)
    c.disconnect(RESET)
    c.connect(SHARED, ANY_OLD)
    c.gone()
    a.gone()


def exclusive():
    a, b, c = clients("ABC")
    a.connect(SHARED, T1)
    b.connect(EXCLUSIVE, T1)
    b.connect(EXCLUSIVE, T0)
    a.disconnect(RESET)
    a.connect(EXCLUSIVE, T1)
    b.connect(SHARED, T1)
    b.connect(DIRECT, 0)
    b.connect(EXCLUSIVE, T1)
    a.end()
    a.begin()
    a.begin()
    a.transmit()
    a.end()
    a.end()
    a.end()
    a.reconnect(EXCLUSIVE, T1, LEAVE)
    a.end()
    a.disconnect()
    b.connect(SHARED, T1)
    b.begin()
    b.reconnect(EXCLUSIVE, T1, LEAVE)
    b.end()
    b.end()
    b.disconnect()
    for client in (a, b, c):
        client.gone()


def kept_lock():
    """From exclusive to shared the card stays locked."""
    a, b = clients("AB")
    for share in (SHARED, DIRECT):
        a.connect(EXCLUSIVE, T1)
        a.reconnect(share, T1, LEAVE)
        a.status()
        waits(b.connect, lambda: a.end())
        b.transmit()
        a.end()
        b.disconnect()
        a.disconnect()
    a.connect(EXCLUSIVE, T1)
    a.reconnect()
    waits(lambda: b.connect(DIRECT, 0), lambda: a.disconnect())
    b.disconnect()
    a.connect(EXCLUSIVE, T1)
    a.begin()
    a.reconnect()
    waits(b.connect, lambda: (a.end(), a.end()))
    a.gone()
    b.gone()


def unpowered():
    """Who takes the power from a card that others have as well."""
    a, b, c = clients("ABC")
    a.connect()
    b.connect()
    b.disconnect(UNPOWER)
    a.status()
    a.reconnect()
    a.status()
    a.transmit()
    c.connect()
    c.connect(DIRECT, 0)
    c.disconnect()
    a.begin()
    a.end()
    a.reconnect(then=RESET)
    a.status()
    c.connect()
    c.disconnect(UNPOWER)
    a.status()
    c.connect()
    a.status()
    a.reconnect()
    a.status()
    c.disconnect(UNPOWER)
    a.reconnect()
    a.disconnect(RESET)
    c.connect()
    c.disconnect()
    a.connect()
    c.connect()
    c.disconnect(UNPOWER)
    a.reconnect(then=UNPOWER)
    a.transmit()
    c.connect()
    c.disconnect(UNPOWER)
    a.reconnect()
    a.begin()
    a.end(RESET)
    c.connect()
    c.disconnect(UNPOWER)
    a.reconnect()
    a.disconnect()
    c.connect()
    while c.connect(quiet=True):
        pass
    c.say("connect in the end", "OK")
    c.transmit()
    for client in (a, b, c):
        client.gone()


def empty():
    """What can be done with a reader that has no card."""
    take_out()
    a, b = clients("AB")
    a.connect(SHARED, T1)
    a.connect(EXCLUSIVE, T1)
    a.connect(SHARED, RAW)
    a.connect(DIRECT, 0)
    a.status()
    a.transmit()
    a.begin()
    a.end()
    a.reconnect(DIRECT, 0, LEAVE)
    a.reconnect(SHARED, T1, LEAVE)
    a.status()
    b.connect(DIRECT, 0)
    a.attribute("ICC_PRESENCE")
    a.attribute("ICC_INTERFACE_STATUS")
    a.attribute("ATR_STRING")
    a.reconnect(DIRECT, 0, RESET)
    a.status()
    b.status()
    b.control(FEATURES, "FEATURES", 0)
    a.reconnect(DIRECT, 0, UNPOWER)
    a.reconnect(DIRECT, 0, LEAVE)
    a.begin()
    a.disconnect()
    b.disconnect(RESET)
    a.connect(DIRECT, 0)
    b.connect(DIRECT, 0)
    b.disconnect(UNPOWER)
    a.status()
    a.disconnect()
    a.connect(DIRECT, 0)
    a.begin()
    a.end(RESET)
    a.status()
    a.disconnect()
    a.connect(DIRECT, RAW)
    a.status()
    a.transmit(RAW)
    put_in()
    a.status()
    b.connect()
    b.transmit()
    a.gone()
    b.gone()


def ejected():
    [a] = connected("A")
    a.reconnect(then=EJECT)
    a.reconnect(then=7)
    a.begin()
    a.end(7)
    a.end(EJECT)
    a.end()
    a.begin()
    a.begin()
    a.end(EJECT)
    a.end(EJECT)
    a.end(EJECT)
    a.transmit()
    a.disconnect(EJECT)
    a.connect()
    a.status()
    a.gone()


def raw():
    """Raw is for all."""
    a, b, c = clients("ABC")
    a.connect(SHARED, T1)
    b.connect(DIRECT, RAW)
    a.status()
    a.transmit()
    c.connect(SHARED, T1)
    c.connect(SHARED, ANY_OLD)
    c.connect(SHARED, RAW)
    c.transmit(RAW)
    c.transmit(T1)
    a.reconnect(SHARED, T1, LEAVE)
    a.reconnect(SHARED, RAW, LEAVE)
    a.reconnect(DIRECT, 0, LEAVE)
    a.reconnect(SHARED, T1, RESET)
    a.status()
    c.status()
    c.reconnect(SHARED, ANY_OLD, LEAVE)
    c.reconnect(SHARED, ANY_OLD, RESET)
    a.reconnect()
    a.transmit(ANY_OLD)
    a.transmit(T0)
    a.transmit(8)
    c.reconnect()
    c.reconnect(SHARED, T1 | RAW, LEAVE)
    c.status()
    c.disconnect(RESET)
    c.connect(EXCLUSIVE, T1 | RAW)
    a.reconnect()
    a.status()
    for client in (a, b, c):
        client.gone()


def crowds():
    """As many handles as a reader has room for."""
    a, b = clients("AB")
    for number in range(120):
        assert a.sibling("").connect(quiet=True) == 0, number
    others = [b.sibling("B%d" % number) for number in range(80)]
    for other in others:
        assert other.connect(quiet=True) == 0, other.name
    b.connect()
    b.connect(EXCLUSIVE)
    b.connect(DIRECT, 0)
    others[0].disconnect()
    b.connect()
    others[1].connect()
    a.gone()
    others[1].connect()
    b.gone()


def resets_on_the_way():
    """Calls that fail, and reset the card all the same."""
    a, b = connected("AB")
    a.transmit()
    a.end(RESET)
    a.status()
    b.status()
    a.reconnect()
    b.reconnect()
    a.end(UNPOWER)
    b.transmit()
    a.reconnect()
    b.reconnect()
    a.reconnect(SHARED, T0, RESET)
    a.status()
    b.status()
    a.reconnect(SHARED, T0, LEAVE)
    a.reconnect()
    b.reconnect()
    a.reconnect(SHARED, 0, RESET)
    a.reconnect(7, T1, RESET)
    a.status()
    b.status()
    a.gone()
    b.gone()


def rooms():
    [a] = connected("A")
    a.transmit()
    for room in (10, 9, 2, 1, 0):
        a.transmit(apdu=CHALLENGE, room=room)
    a.transmit(apdu=CHALLENGE)
    for receive in ((T1, 16), (T0, 16), (0, 0), (0x55, 7)):
        a.transmit(receive=receive)
    a.transmit(T0, receive=(0x55, 7))
    a.transmit(RAW, receive=(0x55, 7))
    a.gone()


def reconnections():
    [a] = connected("A")
    a.reconnect(7, 0, 7)
    a.reconnect(7, 0, LEAVE)
    a.reconnect(SHARED, 0, LEAVE)
    a.reconnect(SHARED, 8, LEAVE)
    a.reconnect(SHARED, T0, LEAVE)
    a.reconnect(SHARED, ANY_OLD, LEAVE)
    a.reconnect(DIRECT, 0, LEAVE)
    a.reconnect(DIRECT, T0, LEAVE)
    a.transmit()
    a.reconnect(SHARED, ANY, LEAVE)
    a.reconnect(DIRECT, 0, RESET)
    a.transmit()
    a.reconnect(SHARED, ANY, UNPOWER)
    a.transmit()
    a.disconnect()
    a.reconnect()
    a.gone()


def transactions():
    """One has a transaction, and the others ask."""
    a, b, c, d = connected("ABCD")
    a.begin()
    a.begin()
    b.attribute("ATR_STRING")
    b.set_attribute("VENDOR_NAME")
    b.control(FEATURES, "FEATURES", 0)
    b.control(1, "1")
    b.end()
    b.end(RESET)
    b.end(EJECT)
    d.disconnect()
    a.end()
    b.end()
    waits(b.status, lambda: a.end())
    a.begin()
    waits(b.transmit, lambda: a.end())
    a.begin()
    waits(b.reconnect, lambda: a.end())
    a.begin()
    waits(b.begin, lambda: a.end())
    b.end()
    a.begin()
    waits(lambda: d.connect(SHARED, T1), lambda: a.end())
    a.begin()
    d.disconnect()
    waits(lambda: d.connect(DIRECT, 0), lambda: a.end())
    a.begin()
    d.disconnect()
    waits(lambda: d.connect(SHARED, T0), lambda: a.end())
    a.begin()
    waits(lambda: d.connect(EXCLUSIVE, T1), lambda: a.end())
    a.begin()
    waits(lambda: b.disconnect(EJECT), lambda: a.end())
    a.status()
    b.connect()
    a.begin()
    waits(lambda: b.disconnect(RESET), lambda: a.end())
    a.status()
    a.reconnect()
    c.reconnect()
    a.begin()
    waits(lambda: c.disconnect(UNPOWER), lambda: a.disconnect())
    for client in (a, b, c, d):
        client.gone()


def news():
    """What a reset is to others."""
    a, b = connected("AB")
    a.reconnect(then=RESET)
    b.status()
    b.begin()
    b.end()
    b.end(RESET)
    b.transmit()
    b.transmit(T0)
    b.attribute("ATR_STRING")
    b.set_attribute("VENDOR_NAME")
    b.control(FEATURES, "FEATURES", 0)
    a.transmit()
    a.begin()
    b.begin()
    waits(b.status, lambda: a.end())
    b.disconnect()
    b.connect()
    b.transmit()
    a.gone()
    b.gone()
    a, b = connected("AB")
    a.begin()
    a.end(RESET)
    a.status()
    b.status()
    a.reconnect()
    a.begin()
    a.end(UNPOWER)
    a.transmit()
    a.reconnect()
    a.disconnect(RESET)
    b.status()
    b.reconnect()
    b.transmit()
    a.gone()
    b.gone()


def removals():
    """A card that is taken out while it is in use."""
    a, b = connected("AB")
    a.begin()
    take_out()
    for _ in range(2):
        a.status()
        a.begin()
        a.end()
        a.transmit()
        a.attribute("ATR_STRING")
        a.control(FEATURES, "FEATURES", 0)
        a.reconnect()
    a.reconnect(then=RESET)
    a.status()
    b.begin()
    a.disconnect(RESET)
    put_in()
    b.status()
    b.transmit()
    b.reconnect()
    b.transmit()
    b.disconnect()
    [a] = connected("A", EXCLUSIVE)
    take_out()
    put_in()
    b.connect()
    a.reconnect(EXCLUSIVE, T1, LEAVE)
    a.begin()
    a.end()
    a.reconnect()
    waits(lambda: b.connect(DIRECT, 0), lambda: a.end())
    b.disconnect()
    a.gone()
    b.gone()


def departures():
    """What is left of a client that is gone."""
    a, b = connected("AB")
    a.begin()
    a.release()
    b.status()
    b.reconnect()
    [a] = connected("A")
    a.begin()
    a.end(RESET)
    a.release()
    b.status()
    b.reconnect()
    [a] = connected("A")
    a.release()
    b.status()
    b.disconnect()
    [a] = connected("A", EXCLUSIVE)
    a.release()
    b.connect()
    b.status()
    b.gone()


def attributes():
    [a] = connected("A")
    for name in ATTRIBUTES:
        a.attribute(name)
    a.attribute("ATR_STRING", 23)
    a.attribute("DEVICE_FRIENDLY_NAME", 3)
    a.set_attribute("VENDOR_NAME")
    for number, what in ((FEATURES, "FEATURES"), (0x00313520, "FEATURES of Windows"),
                         (PROPERTIES, "PROPERTIES"), (0x42000001, "1"), (0x42000002, "2"),
                         (0x42330006, "VERIFY_PIN_DIRECT"), (0x4233000A, "PIN_PROPERTIES")):
        a.control(number, what)
    a.control(FEATURES, "FEATURES", 2)
    a.control(PROPERTIES, "PROPERTIES", 2)
    a.disconnect()
    a.connect(DIRECT, 0)
    a.control(FEATURES, "FEATURES")
    a.gone()


def cancelled():
    [a] = clients("A")
    a.say("cancel", code(library.SCardCancel(a.context)))
    known = [(READER, PRESENT)]
    thread = threading.Thread(target=lambda: a.change("until cancelled", known, 0xFFFFFFFF))
    thread.start()
    while thread.is_alive():
        library.SCardCancel(a.context)
    a.change("with a timeout", known, 50)
    a.gone()


for run in (contexts, lists, connections, exclusive, kept_lock, unpowered, empty, ejected, raw,
            crowds, resets_on_the_way, rooms, reconnections, transactions, news, removals,
            departures, attributes, cancelled):
    group = run.__name__
    # Each begins with a card that has been reset and whose protocol is open.
    [before] = connected("Z", DIRECT)
    assert library.SCardDisconnect(before.handle, RESET) == 0
    before.gone()
    run()
