"""Connects as strictly as Python 3.13 does by default to a TLS server whose key is on the card.

Usage: strict_tls.py ID, with the certificate of the key in cert.pem.
"""

import socket
import ssl
import subprocess
import sys

KEY = f"pkcs11:id=%{sys.argv[1]};type=private;pin-value=648219"
NAMES = ["localhost", "127.0.0.1"]

server = subprocess.Popen(
    ["openssl", "s_server", "-accept", "127.0.0.1:0", "-naccept", str(len(NAMES)),
     "-engine", "pkcs11", "-keyform", "engine", "-key", KEY, "-cert", "cert.pem"],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
try:
    said = []
    for line in server.stdout:
        said.append(line)
        if line.startswith("ACCEPT"):
            port = int(line.rsplit(":", 1)[1])
            break
    else:
        sys.exit("the server does not listen:\n" + "".join(said))

    context = ssl.create_default_context(cafile="cert.pem")
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in NAMES:
        with socket.create_connection(("127.0.0.1", port)) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secured:
                assert secured.getpeercert()["version"] == 3
    print(*NAMES)
finally:
    server.kill()
    server.wait()
