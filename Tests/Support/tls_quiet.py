#!/usr/bin/env python3
"""Says nothing after a handshake; prints if the server does: tls_quiet.py PORT AUTHORITY.

A client with Nagle's algorithm is in this place: its request waits until its last message of the
handshake is acknowledged.
"""

import select
import socket
import ssl
import sys

context = ssl.create_default_context(cafile=sys.argv[2])
context.minimum_version = ssl.TLSVersion.TLSv1_3
with socket.create_connection(("127.0.0.1", int(sys.argv[1])), 10) as plain:
    with context.wrap_socket(plain, server_hostname="a.test") as secure:
        readable, _, _ = select.select([secure], [], [], 10)
        print("said something" if readable else "silent")
