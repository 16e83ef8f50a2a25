#!/bin/sh
# What one client's SCardDisconnect with SCARD_UNPOWER_CARD means for all others at pcscd.
#
# One would think that the card is powered up again for whoever connects next, as it is for the
# first who comes to a reader. It is, unless the client that had stayed connected comes first and
# reconnects with SCARD_LEAVE_CARD, as opensc-explorer does: that succeeds, and leaves the card
# without power. From then on nobody new can connect: SCARD_W_UNPOWERED_CARD, 80100067, until
# somebody resets the card, or the one who stayed has been away for some seconds. pyscard disconnects
# with SCARD_UNPOWER_CARD unless told otherwise, so one run of a script can shut out every program
# that starts while some other has the card open.
#
# Packages: Debian 12 pcscd and libpcsclite1 1.9.9-2, vsmartcard-vpcd 3.3+dfsg-2 as the reader.
# Seen on 2026-11-30:
#
#   one connects and stays            00000000
#   another one connects              00000000
#   it disconnects with UNPOWER       00000000
#   the one who stayed reconnects     00000000
#   a newcomer connects               80100067
#   once more                         80100067
#   the one who stayed disconnects    00000000
#   a newcomer connects               80100067
#   and seven seconds later           00000000
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/program" <<'PYTHON'
import ctypes, os, time

card = ctypes.CDLL(os.environ["LIBPCSCLITE"])
READER = b"Virtual PCD 00 00"
SHARED, T1, LEAVE, UNPOWER = map(ctypes.c_ulong, (2, 2, 0, 2))


def told(what, code):
    print(f"{what:<33} {code & 0xFFFFFFFF:08X}", flush=True)


def connect():
    context, handle, protocol = ctypes.c_long(), ctypes.c_long(), ctypes.c_ulong()
    while card.SCardEstablishContext(2, None, None, ctypes.byref(context)):
        time.sleep(0.1)
    code = card.SCardConnect(context, READER, SHARED, T1, ctypes.byref(handle),
                             ctypes.byref(protocol))
    return code, handle


deadline = time.monotonic() + 20
while (result := connect())[0] and time.monotonic() < deadline:
    time.sleep(0.1)
code, stays = result
told("one connects and stays", code)
code, goes = connect()
told("another one connects", code)
told("it disconnects with UNPOWER", card.SCardDisconnect(goes, UNPOWER))
told("the one who stayed reconnects", card.SCardReconnect(
    stays, SHARED, T1, LEAVE, ctypes.byref(ctypes.c_ulong())))
told("a newcomer connects", connect()[0])
told("once more", connect()[0])
told("the one who stayed disconnects", card.SCardDisconnect(stays, LEAVE))
told("a newcomer connects", connect()[0])
time.sleep(7)
told("and seven seconds later", connect()[0])
PYTHON
sh "$(dirname "$0")/private-pcscd" 1.9.9-2 3.3+dfsg-2 1.9.9-2 "$folder/program" >"$folder/seen"
cat "$folder/seen"
sed -n 's/^#   //p' "$0" >"$folder/wanted"
if ! cmp -s "$folder/wanted" "$folder/seen"; then
    echo "This has changed: the head of $0 says something else." >&2
    exit 1
fi
