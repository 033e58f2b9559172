#!/usr/bin/env python3
"""Comes back with the session of the connection before: tls_resume.py PORT AUTHORITY COUNT VERSION.

Prints how many of the connections were resumed. VERSION is 1.2 or 1.3.
"""

import socket
import ssl
import sys

port, authority, count, version = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
context = ssl.create_default_context(cafile=authority)
wanted = ssl.TLSVersion.TLSv1_2 if version == "1.2" else ssl.TLSVersion.TLSv1_3
context.minimum_version = context.maximum_version = wanted


def ask(session):
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="a.test", session=session) as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            while secure.recv(65536):
                pass
            return secure.session_reused, secure.session


_, session = ask(None)
resumed = 0
for _ in range(count):
    is_resumed, session = ask(session)
    resumed += is_resumed
print(f"resumed {resumed} of {count}")
