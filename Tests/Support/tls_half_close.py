#!/usr/bin/env python3
"""Sends its content and close_notify with one call, then reads: tls_half_close.py PORT AUTHORITY TEXT.

The connection itself stays open: close_notify alone says that this side has finished. Prints what
the other side said until it finished, too.
"""

import socket
import ssl
import sys

context = ssl.create_default_context(cafile=sys.argv[2])
incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
tls = context.wrap_bio(incoming, outgoing, server_hostname="a.test")
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 15)


def fill():
    plain.sendall(outgoing.read())
    data = plain.recv(65536)
    if data:
        incoming.write(data)
    else:
        incoming.write_eof()


while True:
    try:
        tls.do_handshake()
        break
    except ssl.SSLWantReadError:
        fill()
tls.write(sys.argv[3].encode())
try:
    tls.unwrap()
except ssl.SSLError:
    pass
plain.sendall(outgoing.read())
said = b""
while True:
    try:
        more = tls.read(65536)
        if not more:
            break
        said += more
    except ssl.SSLWantReadError:
        fill()
    except ssl.SSLZeroReturnError:
        break
print(said.decode())
