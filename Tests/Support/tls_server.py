#!/usr/bin/env python3
"""An HTTPS server for tests: tls_server.py PORT CERTIFICATE KEY [CLIENT_AUTHORITY].

Answers with the path and what it was told of the client's certificate; /cut promises more than it
sends. Ends by itself after two minutes. HANDSHAKE_DELAY in the environment: it answers the
ClientHello that many seconds after the connection was made.
"""

import http.server
import os
import ssl
import sys
import threading
import time


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def setup(self):
        time.sleep(delay)
        super().setup()

    def do_GET(self):
        text = f"secure {self.path}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


delay = float(os.environ.get("HANDSHAKE_DELAY", "0"))
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[2], sys.argv[3])
if len(sys.argv) > 4:
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(sys.argv[4])
# The handshake is the connection's own business, so that a slow one holds up nobody else.
server.socket = context.wrap_socket(
    server.socket, server_side=True, do_handshake_on_connect=False)
threading.Timer(120, server.shutdown).start()
server.serve_forever()
