#!/usr/bin/env python3
"""Full TLS handshakes, one after the other, until the stop file appears.

tls_load.py PORT AUTHORITY THREADS STOP_FILE. Prints how many succeeded and how many failed, and
the first failure. Ends by itself after a minute.
"""

import os
import socket
import ssl
import sys
import threading
import time

port, authority, threads, stop = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
end = time.monotonic() + 60
lock = threading.Lock()
done, failures = 0, []


def ask(context):
    with socket.create_connection(("127.0.0.1", port), 10) as plain:
        with context.wrap_socket(plain, server_hostname="a.test") as secure:
            secure.sendall(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
            data = b""
            while more := secure.recv(65536):
                data += more
    if not data.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"answer: {data[:100]!r}")


def work():
    global done
    while time.monotonic() < end and not os.path.exists(stop):
        # A new context knows no session, so that each handshake is a full one.
        context = ssl.create_default_context(cafile=authority)
        try:
            ask(context)
            with lock:
                done += 1
        except Exception as problem:  # Whatever it was, it is a failure to be told.
            with lock:
                failures.append(repr(problem))


workers = [threading.Thread(target=work) for _ in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
print(f"done {done} failed {len(failures)} {failures[:1]}")
