#!/usr/bin/env python3
"""A TLS server whose answers end with their connection: tls_endings.py PORT CERTIFICATE KEY.

/whole ends with close_notify, as it should; /cut without it, as if somebody had cut the line;
/short announces more than it sends. Ends by itself after a minute.
"""

import os
import socket
import ssl
import sys
import threading

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
threading.Timer(60, lambda: os._exit(0)).start()


def serve(plain):
    try:
        secure = context.wrap_socket(plain, server_side=True)
        head = b""
        while b"\r\n\r\n" not in head:
            more = secure.recv(65536)
            if not more:
                return
            head += more
        path = head.split()[1]
        length = b"Content-Length: 1000\r\n" if path == b"/short" else b""
        secure.sendall(b"HTTP/1.1 200 OK\r\n" + length + b"Connection: close\r\n\r\nanswer")
        if path == b"/cut":
            os.close(secure.detach())
        else:
            secure.settimeout(5)
            secure.unwrap().close()
    except (OSError, ssl.SSLError):
        pass


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
