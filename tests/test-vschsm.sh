#!/bin/sh
# Tests OpenSC with a virtual SmartCard-HSM: a card with four keys and their certificates in a reader
# of pcscd, everything of OpenSC's that looks at it, and an end by `kill -9`.
#
# Usage: tests/test-vschsm.sh [BUILD]
#
# BUILD is a build tree of OpenSC, whose p11test runs then; its results are compared with those of a
# real card. Without one the tools come from packages.
set -eu
cd "$(dirname "$0")/.."
build=${1:-}
pin=648219

folder=$(mktemp -d "${TMPDIR:-/tmp}/opensc.XXXXXX")
card=
finish() {
    [ -z "$card" ] || kill -9 "$card" || true
    rm -rf "$folder"
}
trap finish EXIT

cargo build --quiet --locked --release --package vschsm
"${CARGO_TARGET_DIR:-target}/release/vschsm" new "$folder/opensc.card" --serial ZZVS0000001 \
    --provision tests/provisioning/opensc.toml
tests/start "$folder/opensc.card" | tee "$folder/start"
card=$(sed -n 's/^ *kill \([0-9]*\)$/\1/p' "$folder/start")

if [ -n "$build" ]; then
    PATH="$build/src/tools:$PATH"
    module="--module $build/src/pkcs11/.libs/opensc-pkcs11.so"
fi
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
    cd "$build/src/tests/p11test"
    ./p11test -s 0 -p $pin -o vschsm.json
    diff -u3 sc-hsm_ref.json vschsm.json
fi
