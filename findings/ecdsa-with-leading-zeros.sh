#!/bin/sh
# Which libraries take an ECDSA signature whose integers have leading zeros.
#
# A SmartCard-HSM of firmware 3.x signs on secp521r1 with 139 bytes always: 30 81 88, and r and s as
# 02 42 and 66 bytes each, whatever they begin with. 7 of 16 such signatures are not DER, which
# wants integers as short as they can be. One would think that a library either checks DER or does
# not; but of one language's libraries, parsers of ASN.1 take them and verifiers refuse them, each
# with an error of its own, and cryptography already where it takes the signature apart.
#
# Packages: PyPI cryptography 50.0.2 (with its own OpenSSL), ecdsa 0.19.2, pycryptodome 4.4.0,
# asn1crypto 1.5.1, pyasn1 0.6.5. Seen on 2026-11-30 on Debian 12 with Python 3.11:
#
#   asn1crypto DSASignature.load          takes it
#   pyasn1 decoder.decode                 takes it
#   cryptography decode_dss_signature     ValueError
#   cryptography verify                   InvalidSignature
#   ecdsa sigdecode_der                   BadSignatureError
#   pycryptodome DSS verify               ValueError
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet --disable-pip-version-check install cryptography==50.0.2 \
    ecdsa==0.19.2 pycryptodome==4.4.0 asn1crypto==1.5.1 pyasn1==0.6.5
"$folder/venv/bin/python" - >"$folder/seen" <<'PYTHON'
import hashlib

import ecdsa
from asn1crypto.algos import DSASignature
from Crypto.Hash import SHA256
from Crypto.PublicKey import ECC
from Crypto.Signature import DSS
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from pyasn1.codec.der import decoder

MESSAGE = b"signed on a card"
KEY = ec.generate_private_key(ec.SECP521R1())
PEM = KEY.public_key().public_bytes(
    serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def with_leading_zeros():
    """A signature as the card makes it that is not DER, and its numbers."""
    while True:
        made = KEY.sign(MESSAGE, ec.ECDSA(hashes.SHA256()))
        r, s = utils.decode_dss_signature(made)
        fixed = bytes.fromhex("308188")
        for number in (r, s):
            fixed += bytes.fromhex("0242") + number.to_bytes(66, "big")
        if fixed != made:
            return fixed, (r, s)


SIGNATURE, NUMBERS = with_leading_zeros()


def by_asn1crypto():
    parsed = DSASignature.load(SIGNATURE)
    assert (parsed["r"].native, parsed["s"].native) == NUMBERS


def by_pyasn1():
    assert tuple(map(int, decoder.decode(SIGNATURE)[0])) == NUMBERS


def by_decode():
    utils.decode_dss_signature(SIGNATURE)


def by_cryptography():
    KEY.public_key().verify(SIGNATURE, MESSAGE, ec.ECDSA(hashes.SHA256()))


def by_ecdsa():
    key = ecdsa.VerifyingKey.from_pem(PEM)
    key.verify(SIGNATURE, MESSAGE, hashlib.sha256, sigdecode=ecdsa.util.sigdecode_der)


def by_pycryptodome():
    verifier = DSS.new(ECC.import_key(PEM), "fips-186-3", encoding="der")
    verifier.verify(SHA256.new(MESSAGE), SIGNATURE)


for name, attempt in [
    ("asn1crypto DSASignature.load", by_asn1crypto),
    ("pyasn1 decoder.decode", by_pyasn1),
    ("cryptography decode_dss_signature", by_decode),
    ("cryptography verify", by_cryptography),
    ("ecdsa sigdecode_der", by_ecdsa),
    ("pycryptodome DSS verify", by_pycryptodome),
]:
    try:
        attempt()
        print(f"{name:<37} takes it")
    except Exception as error:
        print(f"{name:<37} {type(error).__name__}")
PYTHON
cat "$folder/seen"
# What was seen stands in the head of this file, after `#   `.
sed -n 's/^#   //p' "$0" >"$folder/wanted"
if ! cmp -s "$folder/wanted" "$folder/seen"; then
    echo "This has changed: the head of $0 says something else." >&2
    exit 1
fi
