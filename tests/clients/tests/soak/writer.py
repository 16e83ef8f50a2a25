# The same as src/bin/writer.rs, with the classes of pyscard: writer.py READER FILE LAST MOST COUNT
import struct
import sys
import time

from smartcard.Exceptions import SmartcardException
from smartcard.ExclusiveTransmitCardConnection import ExclusiveTransmitCardConnection
from smartcard.pcsc.PCSCExceptions import BaseSCardException
from smartcard.scard import SCARD_LEAVE_CARD
from smartcard.System import readers

SELECT = [0x00, 0xA4, 0x04, 0x0C, 0x0B] + list(bytes.fromhex("E82B0601040181C31F0201"))
LOGIN = [0x00, 0x20, 0x00, 0x81, 0x06] + list(b"648219")
COPIES = 8
THINKING = 0.02


def transmit(card, command):
    try:
        data, high, low = card.transmit(command)
    except IndexError:
        # vpcd lets a card that leaves in the middle of a command give an empty response.
        sys.exit(3)
    status = high << 8 | low
    if status == 0x6D00:
        # pcscd has reset the card in between, for a client that has died.
        sys.exit(3)
    return data, status


def log_in(card):
    assert transmit(card, SELECT) == ([], 0x9000), "SELECT"
    assert transmit(card, LOGIN) == ([], 0x9000), "VERIFY"


def read(card, file):
    size = COPIES * 8
    data, status = transmit(card, [0x00, 0xB1, 0xCF, file, 0x04, 0x54, 2, 0, 0, size])
    if status == 0x6A82:
        return 0
    assert status == 0x9000, "%04X to READ BINARY" % status
    numbers = struct.unpack(">%dQ" % COPIES, bytes(data))
    assert len(set(numbers)) == 1, "torn: %s" % (numbers,)
    return numbers[0]


def write(card, file, number):
    content = list(struct.pack(">Q", number) * COPIES)
    header = [0x00, 0xD7, 0xCF, file, len(content) + 6, 0x54, 2, 0, 0, 0x53, len(content)]
    data, status = transmit(card, header + content)
    assert (data, status) == ([], 0x9000), "UPDATE BINARY"


def count_on(reader, file, last, most, count):
    found = [found for found in readers() if str(found) == reader]
    if not found:
        sys.exit(3)
    card = ExclusiveTransmitCardConnection(found[0].createConnection())
    card.connect(disposition=SCARD_LEAVE_CARD)
    card.lock()
    log_in(card)
    number = read(card, file)
    assert last <= number <= most, "the file has %d, and not %d to %d" % (number, last, most)
    print(number, flush=True)
    card.unlock()
    for _ in range(count):
        card.lock()
        log_in(card)
        write(card, file, number + 1)
        number += 1
        print(number, flush=True)
        assert read(card, file) == number, "another number than was written"
        card.unlock()
        time.sleep(THINKING)
    card.disconnect()


reader, file, *numbers = sys.argv[1:]
try:
    count_on(reader, int(file, 16), *map(int, numbers))
except (SmartcardException, BaseSCardException) as gone:
    print(gone, file=sys.stderr)
    sys.exit(3)
