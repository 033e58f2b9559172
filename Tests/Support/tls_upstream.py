#!/usr/bin/env python3
"""A TLS server that decides which bytes travel together: tls_upstream.py PORT CERTIFICATE KEY [MAX].

What it says is encrypted in memory and sent with one call, so that the other side may get it with
one read. MAX is the highest version of TLS, such as 1.2. Ends by itself after two minutes.

/surplus    an answer of 4,000,000 bytes, and another one behind it that nobody asked for
/ending     an answer that ends with close_notify, sent with it; the connection stays open
/slow/N     the last N bytes of the request's content are not read for a while; answers with its
            length
/tunnel     says "hello", then answers the end of what it reads with its length and its own end
            (only with MODE tunnel in the environment, for connections without HTTP)
"""

import os
import socket
import ssl
import sys
import threading
import time

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
if sys.argv[4:] == ["1.2"]:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
if os.environ.get("RECEIVE_BUFFER"):
    # Before listen(): the window of a connection is agreed on at its beginning.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, int(os.environ["RECEIVE_BUFFER"]))
listener.bind(("127.0.0.1", int(sys.argv[1])))
listener.listen(64)
threading.Timer(120, lambda: os._exit(0)).start()


class Peer:
    """One connection, with its ciphertext in memory."""

    def __init__(self, plain):
        self.plain = plain
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)

    def flush(self):
        self.plain.sendall(self.outgoing.read())

    def shake(self, first=b""):
        while True:
            try:
                self.tls.do_handshake()
                if first:
                    self.tls.write(first)
                return self.flush()
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()

    def fill(self):
        data = self.plain.recv(65536)
        if not data:
            raise EOFError
        self.incoming.write(data)

    def read(self):
        """Some bytes; none at the end of what the other side says."""
        while True:
            try:
                return self.tls.read(65536)
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
            except ssl.SSLZeroReturnError:
                return b""

    def write(self, data):
        self.tls.write(data)

    def finish(self):
        """Says close_notify, and does not wait for another."""
        try:
            self.tls.unwrap()
        except ssl.SSLError:
            pass


def answer(text):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(text), text)


def serve_http(peer):
    peer.shake()
    kept = b""
    while True:
        while b"\r\n\r\n" not in kept:
            more = peer.read()
            if not more:
                return
            kept += more
        head, kept = kept.split(b"\r\n\r\n", 1)
        path = head.split()[1]
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        pause = int(path[6:]) if path.startswith(b"/slow/") else 0
        count = len(kept)
        while count < length:
            if pause and length - count <= pause:
                time.sleep(0.4)
                pause = 0
            count += len(peer.read())
        kept = b""
        if path == b"/surplus":
            peer.write(answer(b"x" * 4_000_000) + answer(b"poison"))
        elif path == b"/ending":
            peer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nwhole")
            peer.finish()
        elif length:
            peer.write(answer(b"%d" % count))
        else:
            peer.write(answer(path))
        peer.flush()
        if path == b"/ending":
            # Whoever waits for the end of TCP waits long.
            time.sleep(60)


def serve_tunnel(peer):
    peer.shake(b"hello")
    count = 0
    if os.environ.get("PAUSE"):
        time.sleep(float(os.environ["PAUSE"]))
    while True:
        data = peer.read()
        if not data:
            break
        count += len(data)
    peer.write(b"%d" % count)
    peer.finish()
    peer.flush()
    time.sleep(60)


def serve(plain):
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        peer = Peer(plain)
        (serve_tunnel if os.environ.get("MODE") == "tunnel" else serve_http)(peer)
    except (OSError, EOFError, ssl.SSLError):
        pass
    finally:
        plain.close()


while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
