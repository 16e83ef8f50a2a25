#!/bin/sh
# When nginx takes a key from OpenSSL's PKCS#11 engine, and when it does not.
#
# `ssl_certificate_key engine:pkcs11:…` names the engine, so one would think that nginx loads and
# initialises it, as Apache's SSLCryptoDevice and `openssl -engine` do. It loads it only. Unless an
# openssl.cnf has the engine initialised, with `init = 1`, no key is found: not without a section
# for the engine, and not with `init = 0`, which the engine's own documentation shows.
#
# Packages: Debian 12 nginx 1.22.1-9+deb12u11, libengine-pkcs11-openssl and libp11-3 0.4.12-0.1, with
# softhsm2 2.6.1-2.1 as the token. Seen on 2026-11-30:
#
#   without a section   engine routines::not initialised
#   init = 0            engine routines::not initialised
#   init = 1            test is successful
set -eu
head=$(realpath "$0")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download nginx=1.22.1-9+deb12u11 libengine-pkcs11-openssl=0.4.12-0.1 \
    libp11-3=0.4.12-0.1 softhsm2=2.6.1-2.1 libsofthsm2=2.6.1-2.1 2>/dev/null
for package in *.deb; do dpkg -x "$package" root; done
find_in() { find "$folder/root" -name "$1" | head -n 1; }
module=$(find_in libsofthsm2.so)
OPENSSL_ENGINES=$(dirname "$(find "$folder/root" -path '*engines-3*' -name 'pkcs11.so' | head -n 1)")
LD_LIBRARY_PATH=$(dirname "$(find_in 'libp11.so.3*')")
PKCS11_MODULE_PATH=$module
SOFTHSM2_CONF=$folder/softhsm2.conf
export OPENSSL_ENGINES LD_LIBRARY_PATH PKCS11_MODULE_PATH SOFTHSM2_CONF

mkdir tokens logs
echo "directories.tokendir = $folder/tokens" >softhsm2.conf
{
    softhsm=$(find_in softhsm2-util)
    "$softhsm" --module "$module" --init-token --free --label t --so-pin 123456 --pin 123456
    openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -subj /CN=localhost
    openssl pkcs8 -topk8 -nocrypt -in key.pem -out key.p8
    "$softhsm" --module "$module" --import key.p8 --token t --label k --id 01 --pin 123456
} >log 2>&1 || { cat log >&2; exit 1; }
cat >nginx.conf <<END
pid $folder/nginx.pid;
events {}
http {
    access_log off;
    server {
        listen 127.0.0.1:1 ssl;
        ssl_certificate $folder/cert.pem;
        ssl_certificate_key "engine:pkcs11:pkcs11:token=t;object=k;type=private;pin-value=123456";
    }
}
END
: >none.cnf
for init in 0 1; do
    printf '%s\n' 'openssl_conf = begin' '[begin]' 'engines = engines' '[engines]' \
        'pkcs11 = pkcs11' '[pkcs11]' 'engine_id = pkcs11' "init = $init" >"$init.cnf"
done
for case in none 0 1; do
    name="init = $case"
    [ "$case" = none ] && name="without a section"
    OPENSSL_CONF=$folder/$case.cnf "$folder/root/usr/sbin/nginx" -t -p "$folder" -e logs/error \
        -c "$folder/nginx.conf" >said 2>&1 || true
    said=$(grep -oE 'engine routines::not initialised|test is successful' said | head -n 1)
    printf '%-19s %s\n' "$name" "${said:-$(head -n 1 said)}"
done >seen
cat seen
sed -n 's/^#   //p' "$head" >wanted
if ! cmp -s wanted seen; then
    echo "This has changed: the head of $head says something else." >&2
    exit 1
fi
