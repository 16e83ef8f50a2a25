#!/bin/sh
# What SCardReconnect from SCARD_SHARE_EXCLUSIVE to SCARD_SHARE_SHARED leaves behind in pcscd.
#
# One would think that the card is shared afterwards: the call succeeds, and SCardStatus of others
# says so. But the lock of the exclusive connection stays: another client that connects waits, as
# for a transaction, until the first one disconnects, or calls SCardEndTransaction, which succeeds
# though there was no SCardBeginTransaction (winscard.c frees the lock while it still counts the
# connection as an exclusive one). SCARD_E_SHARING_VIOLATION would be no surprise; waiting is.
#
# Packages: Debian 12 pcscd and libpcsclite1 1.9.9-2, vsmartcard-vpcd 3.3+dfsg-2 as the reader.
# Seen on 2026-11-30:
#
#   connect exclusively               00000000
#   reconnect as shared               00000000
#   another client connects           waits
#   end of a transaction never begun  00000000
#   the other client's connection     00000000
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/program" <<'PYTHON'
import ctypes, os, threading, time

card = ctypes.CDLL(os.environ["LIBPCSCLITE"])
READER = b"Virtual PCD 00 00"
EXCLUSIVE, SHARED, T1, LEAVE = 1, 2, 2, 0


def told(what, code):
    print(f"{what:<33} {code & 0xFFFFFFFF:08X}", flush=True)


def context():
    made = ctypes.c_long()
    while card.SCardEstablishContext(2, None, None, ctypes.byref(made)):
        time.sleep(0.1)
    return made


def connect(context, share):
    handle, protocol = ctypes.c_long(), ctypes.c_ulong()
    code = card.SCardConnect(context, READER, ctypes.c_ulong(share), ctypes.c_ulong(T1),
                             ctypes.byref(handle), ctypes.byref(protocol))
    return code, handle


ours = context()
deadline = time.monotonic() + 20
while (result := connect(ours, EXCLUSIVE))[0] and time.monotonic() < deadline:
    time.sleep(0.1)
code, handle = result
told("connect exclusively", code)
told("reconnect as shared", card.SCardReconnect(
    handle, ctypes.c_ulong(SHARED), ctypes.c_ulong(T1), ctypes.c_ulong(LEAVE),
    ctypes.byref(ctypes.c_ulong())))

codes = []
other = threading.Thread(target=lambda: codes.append(connect(context(), SHARED)[0]), daemon=True)
other.start()
other.join(2)
print(f"{'another client connects':<33} {'waits' if not codes else codes[0]}", flush=True)
told("end of a transaction never begun", card.SCardEndTransaction(handle, ctypes.c_ulong(LEAVE)))
other.join(10)
told("the other client's connection", codes[0] if codes else -1)
PYTHON
sh "$(dirname "$0")/private-pcscd" 1.9.9-2 3.3+dfsg-2 1.9.9-2 "$folder/program" >"$folder/seen"
cat "$folder/seen"
sed -n 's/^#   //p' "$0" >"$folder/wanted"
if ! cmp -s "$folder/wanted" "$folder/seen"; then
    echo "This has changed: the head of $0 says something else." >&2
    exit 1
fi
