#!/usr/bin/env python3
"""Opens connections that say nothing, then asks on one more: tls_silence.py PORT AUTHORITY COUNT.

Prints `answered` when that one is served within three seconds, and whether as many of the silent
ones as exceed 1,024 were closed.
"""

import select
import socket
import ssl
import sys

port, authority, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
context = ssl.create_default_context(cafile=authority)
silent = [socket.create_connection(("127.0.0.1", port), 10) for _ in range(count)]
# A part of a message, too, is no ClientHello.
for half in silent[:10]:
    half.sendall(b"\x16\x03\x01\x01\x00\x01")
with socket.create_connection(("127.0.0.1", port), 3) as plain:
    with context.wrap_socket(plain, server_hostname="a.test") as secure:
        secure.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
        data = secure.recv(65536)
        print("answered" if data.startswith(b"HTTP/1.1 200") else data)
poll = select.poll()
for connection in silent:
    poll.register(connection, select.POLLIN)
surplus = count - 1024
closed = len(poll.poll(1000))
print("closed", f"{surplus} or more" if closed >= surplus else closed)
