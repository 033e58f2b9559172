#!/usr/bin/env python3
"""A gRPC server of bytes, in every shape: grpc_server.py PORT NAME [CERTIFICATE KEY].

Methods of /play.Play: Unary, Upload (client streaming), Download (server streaming), Chat (both),
Fail (a status with words and trailers), Early (ends before its client), Wait (until it is
cancelled), Remaining (how much time it was given) and Cancelled (how many of Wait were).
Ends by itself after three minutes.
"""

import sys
import threading
from concurrent import futures

import grpc

port, name = sys.argv[1], sys.argv[2]
lock = threading.Lock()
cancelled = 0


def unary(request, context):
    """The request, with what came beside it."""
    sent = dict(context.invocation_metadata())
    context.send_initial_metadata((("x-server", name),))
    context.set_trailing_metadata(
        (("x-length", str(len(request))), ("x-back", sent.get("x-note", "-")))
        + ((("x-bytes-bin", sent["x-note-bin"]),) if "x-note-bin" in sent else ())
    )
    return request


def upload(requests, context):
    count = total = 0
    for request in requests:
        count += 1
        total += len(request)
    context.set_trailing_metadata((("x-count", str(count)),))
    return f"{name} {count} {total}".encode()


def download(request, context):
    count, size = (int(word) for word in request.split())
    for number in range(count):
        yield number.to_bytes(4, "big") + b"d" * size
    context.set_trailing_metadata((("x-count", str(count)),))


def chat(requests, context):
    """Answers each message before the next one is sent."""
    count = 0
    for request in requests:
        count += 1
        yield request[::-1]
    context.set_trailing_metadata((("x-count", str(count)),))


def fail(request, context):
    """Fails with the status and the words that it was sent, and as many bytes of trailers."""
    code, count, words = request.decode().split(" ", 2)
    context.set_trailing_metadata((("x-why", "w" * int(count)),))
    status = next(status for status in grpc.StatusCode if status.value[0] == int(code))
    context.abort(status, words)


def early(requests, context):
    """Has seen enough after one message."""
    next(requests)
    context.set_trailing_metadata((("x-early", "yes"),))
    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "enough")


def wait(request, context):
    """Says one word, then nothing, until its client has gone."""
    gone = threading.Event()

    def end():
        global cancelled
        with lock:
            cancelled += 1
        gone.set()

    # Counted here, because a generator whose call has ended may never be resumed.
    context.add_callback(end)
    yield b"waiting"
    gone.wait(60)


def remaining(request, context):
    return str(context.time_remaining() or -1).encode()


def count_cancelled(request, context):
    with lock:
        return str(cancelled).encode()


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Upload": grpc.stream_unary_rpc_method_handler(upload),
    "Download": grpc.unary_stream_rpc_method_handler(download),
    "Chat": grpc.stream_stream_rpc_method_handler(chat),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Early": grpc.stream_unary_rpc_method_handler(early),
    "Wait": grpc.unary_stream_rpc_method_handler(wait),
    "Remaining": grpc.unary_unary_rpc_method_handler(remaining),
    "Cancelled": grpc.unary_unary_rpc_method_handler(count_cancelled),
}
bound = 64 << 20
server = grpc.server(
    futures.ThreadPoolExecutor(160),
    options=(
        ("grpc.max_receive_message_length", bound),
        ("grpc.max_send_message_length", bound),
        ("grpc.so_reuseport", 0),
    ),
)
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("play.Play", handlers),))
address = f"127.0.0.1:{port}"
if len(sys.argv) > 3:
    chain, key = (open(path, "rb").read() for path in sys.argv[3:5])
    server.add_secure_port(address, grpc.ssl_server_credentials(((key, chain),)))
else:
    server.add_insecure_port(address)
server.start()
server.wait_for_termination(180)
