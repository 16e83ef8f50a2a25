#!/bin/sh
# Tests OpenSC with a virtual SmartCard-HSM: a card with four keys and their certificates in a reader
# of pcscd, everything of OpenSC's that looks at it, and an end by `kill -9`.
#
# Usage: tests/test-vschsm.sh [BUILD]
#
# BUILD is a build tree of OpenSC: its tools run instead of those from packages, and its p11test runs
# on a card that has the same keys without certificates, as the real card has of which OpenSC keeps
# the results. Results are compared with vschsm_ref.json beside p11test, if that is there; the card
# gives the same ones each time.
set -eu
cd "$(dirname "$0")/.."
build=${1:-}
pin=648219

folder=$(mktemp -d "${TMPDIR:-/tmp}/opensc.XXXXXX")
card=
# Ends the card as OpenSC's scripts do.
stop() {
    [ -z "$card" ] || kill -9 "$card" || true
    card=
}
finish() {
    stop
    rm -rf "$folder"
}
trap finish EXIT

cargo build --quiet --locked --release --package vschsm
# Makes a card as a provisioning file says, and puts it into the reader.
insert() {
    stop
    "${CARGO_TARGET_DIR:-target}/release/vschsm" new "$folder/$1.card" --serial ZZVS0000001 \
        --seed opensc --provision "tests/provisioning/$1.toml"
    tests/start "$folder/$1.card" | tee "$folder/start"
    card=$(sed -n 's/^ *kill \([0-9]*\)$/\1/p' "$folder/start")
}

if [ -n "$build" ]; then
    build=$(cd "$build" && pwd)
    PATH="$build/src/tools:$PATH"
    module="--module $build/src/pkcs11/.libs/opensc-pkcs11.so"
fi
insert opensc
sc-hsm-tool
pkcs15-tool --dump
# shellcheck disable=SC2086 # it is an option and its value, or nothing
pkcs11() {
    pkcs11-tool ${module:-} --login --pin $pin "$@"
}
pkcs11 --list-objects
pkcs11 --list-mechanisms
pkcs11 --test
printf 'To be signed' >"$folder/message"
for key in 10:SHA256-RSA-PKCS 40:SHA256-RSA-PKCS 20:ECDSA-SHA256 30:ECDSA-SHA256; do
    id=${key%:*}
    pkcs15-tool --read-public-key "$id" --output "$folder/key.pem"
    pkcs11 --sign --id "$id" --mechanism "${key#*:}" --signature-format openssl \
        --input-file "$folder/message" --output-file "$folder/signature"
    openssl dgst -sha256 -verify "$folder/key.pem" -signature "$folder/signature" "$folder/message"
done

if [ -n "$build" ]; then
    insert p11test
    cd "$build/src/tests/p11test"
    ./p11test -s 0 -p $pin -o vschsm.json
    if [ -e vschsm_ref.json ]; then
        diff -u3 vschsm_ref.json vschsm.json
    else
        echo "To compare with these results the next time: mv vschsm.json vschsm_ref.json"
    fi
fi
