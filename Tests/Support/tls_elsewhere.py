#!/usr/bin/env python3
"""Brings a session from one port to another: tls_elsewhere.py FROM TO AUTHORITY VERSION PROTOCOL.

PROTOCOL is http/1.1 or h2. Prints `resumed` or `new`, and then what the second port said: its
first bytes, or that it refused.
"""

import socket
import ssl
import sys

authority, version, protocol = sys.argv[3:6]
context = ssl.create_default_context(cafile=authority)
wanted = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
context.minimum_version = context.maximum_version = wanted
context.set_alpn_protocols([protocol])
if protocol == "h2":
    # A request for / of https://a.test (RFC 7541, without the dynamic table).
    head = b"\x82\x87\x84\x01\x06a.test"
    request = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    request += len(head).to_bytes(3, "big") + bytes([1, 5, 0, 0, 0, 1]) + head
else:
    request = b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n"


def ask(port, session):
    with socket.create_connection(("127.0.0.1", int(port)), 10) as plain:
        with context.wrap_socket(plain, server_hostname="a.test", session=session) as secure:
            secure.sendall(request)
            data = secure.recv(65536)
            if not data:
                raise ConnectionResetError("closed")
            return "resumed" if secure.session_reused else "new", data, secure.session


_, _, session = ask(sys.argv[1], None)
try:
    kind, data, _ = ask(sys.argv[2], session)
    print(kind, "answered", len(data) > 0)
except (ssl.SSLError, ConnectionError) as error:
    print("refused")
