#!/usr/bin/env python3
"""Opens a connection for each that is answered: tls_crowd.py PORT AT_ONCE COUNT.

Prints how many that came later were answered before the one that was overtaken most.
"""

import select
import socket
import ssl
import sys

port, at_once, count = (int(word) for word in sys.argv[1:4])
outgoing = ssl.MemoryBIO()
context = ssl.create_default_context()
try:
    context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="a.test").do_handshake()
except ssl.SSLWantReadError:
    pass
hello = outgoing.read()

poll, waiting, opened, answered, worst = select.epoll(), {}, 0, 0, 0


def open_one():
    global opened
    client = socket.create_connection(("127.0.0.1", port), 10)
    client.sendall(hello)
    poll.register(client, select.EPOLLIN)
    waiting[client.fileno()] = [client, opened, 0]
    opened += 1


for _ in range(at_once):
    open_one()
while answered < count:
    events = poll.poll(30)
    if not events:
        sys.exit(f"no answer after {answered} of {count}")
    for descriptor, _ in events:
        client, number, overtaken = waiting.pop(descriptor)
        if not client.recv(1):
            sys.exit("closed instead of answered")
        client.close()
        answered += 1
        worst = max(worst, overtaken)
        for other in waiting.values():
            other[2] += other[1] < number
        open_one()
print(f"overtaken {worst}")
