#!/usr/bin/env python3
"""Transfers through sockets that take little, in a network of their own.

unshare --net python3 tls_narrow.py BINARY DIRECTORY CERTIFICATE KEY AUTHORITY

The kernel keeps at most 128 KiB for each sender, so that TLS is left with ciphertext that its
socket has not taken. Prints one line for each transfer. The certificate is for localhost.
"""

import fcntl
import os
import socket
import ssl
import struct
import subprocess
import sys
import time

binary, directory, certificate, key, authority = sys.argv[1:]
SIZE = 1_000_000

# The loopback of a new network is down.
probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
IFF_UP, SIOCGIFFLAGS, SIOCSIFFLAGS = 1, 0x8913, 0x8914
flags = struct.unpack("16sh", fcntl.ioctl(probe, SIOCGIFFLAGS, struct.pack("16sh", b"lo", 0)))[1]
fcntl.ioctl(probe, SIOCSIFFLAGS, struct.pack("16sh", b"lo", flags | IFF_UP))
with open("/proc/sys/net/ipv4/tcp_wmem", "w") as wmem:
    wmem.write("4096 16384 131072")

here = os.path.dirname(os.path.abspath(__file__))


def upstream(port, **environment):
    return subprocess.Popen(
        [sys.executable, f"{here}/tls_upstream.py", str(port), certificate, key],
        env={**os.environ, "RECEIVE_BUFFER": "16384", **environment})


started = [upstream(3001), upstream(3002, MODE="tunnel", PAUSE="1")]
with open(f"{directory}/narrow.yaml", "w") as file:
    file.write(f"""
listeners:
  web: {{ address: "127.0.0.1:8001" }}
  raw: {{ address: "127.0.0.1:8002", protocols: [tcp], service: tunnel }}
  secure:
    address: "127.0.0.1:8003"
    protocols: [tcp]
    service: plain
    tls: {{ certificates: [{{ cert: {certificate}, key: {key} }}] }}
services:
  app:
    servers: ["https://localhost:3001"]
    health: off
    tls: {{ ca: {authority} }}
  tunnel:
    servers: ["https://localhost:3002"]
    health: off
    tls: {{ ca: {authority} }}
  plain: {{ servers: ["127.0.0.1:3003"], health: off }}
routes:
  - {{ service: app }}
process: {{ workers: 1 }}
admin: {{ socket: {directory}/narrow.sock }}
""")
started.append(subprocess.Popen([binary, "run", "-c", f"{directory}/narrow.yaml"]))


def connect(port):
    end = time.monotonic() + 20
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), 10)
        except ConnectionRefusedError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def read_to_end(peer):
    data = b""
    while True:
        more = peer.recv(65536)
        if not more:
            return data
        data += more


def upload():
    """The server pauses before the end, wherever that is: what is sent last waits with us."""
    said = []
    for rest in range(40_000, 260_000, 20_000):
        peer = connect(8001)
        peer.settimeout(3)
        peer.sendall(b"POST /slow/%d HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"
                     b"Content-Length: %d\r\n\r\n" % (rest, SIZE) + b"x" * SIZE)
        said.append(read_to_end(peer).rsplit(b"\r\n\r\n", 1)[-1].decode())
    return " ".join(sorted(set(said)))


def tunnel():
    """And so does its end."""
    peer = connect(8002)
    peer.sendall(b"x" * SIZE)
    peer.shutdown(socket.SHUT_WR)
    return read_to_end(peer).decode()


def download():
    """The server has finished long before its client reads."""
    listener = socket.create_server(("127.0.0.1", 3003))
    context = ssl.create_default_context(cafile=authority)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
    plain.settimeout(10)
    plain.connect(("127.0.0.1", 8003))
    with context.wrap_socket(plain, server_hostname="localhost") as peer:
        server = listener.accept()[0]
        server.settimeout(10)
        server.sendall(b"y" * 150_000)
        server.close()
        time.sleep(1)
        return str(len(read_to_end(peer)))


try:
    connect(3001).close()
    connect(3002).close()
    connect(8003).close()
    for transfer in upload, tunnel, tunnel, download:
        try:
            print(transfer.__name__, transfer(), flush=True)
        except (OSError, ssl.SSLError) as error:
            print(transfer.__name__, type(error).__name__, error, flush=True)
finally:
    for child in started:
        child.kill()
        child.wait()
