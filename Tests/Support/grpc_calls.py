#!/usr/bin/env python3
"""Real gRPC calls of every shape: grpc_calls.py PORT AUTHORITY|- check|load [STOP_FILE].

`check` makes each kind of call once and prints one line for each: "ok NAME" or "failed NAME: why".
`load` makes calls of four shapes, each in threads of its own, until the stop file appears, and
prints how many there were by shape, by server, and those that failed.
"""

import collections
import os
import queue
import sys
import threading
import time

import grpc

port, authority, mode = sys.argv[1], sys.argv[2], sys.argv[3]
LARGE = 8 << 20
BOUND = 64 << 20


def channel():
    options = [
        ("grpc.max_receive_message_length", BOUND),
        ("grpc.max_send_message_length", BOUND),
        # Or all channels of this process would share one connection.
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.enable_retries", 0),
        ("grpc.max_metadata_size", 64 << 10),
    ]
    if authority == "-":
        return grpc.insecure_channel(f"127.0.0.1:{port}", options)
    with open(authority, "rb") as file:
        credentials = grpc.ssl_channel_credentials(file.read())
    options.append(("grpc.ssl_target_name_override", "a.test"))
    return grpc.secure_channel(f"127.0.0.1:{port}", credentials, options)


class Methods:
    def __init__(self, channel):
        self.unary = channel.unary_unary("/play.Play/Unary")
        self.upload = channel.stream_unary("/play.Play/Upload")
        self.download = channel.unary_stream("/play.Play/Download")
        self.chat = channel.stream_stream("/play.Play/Chat")
        self.fail = channel.unary_unary("/play.Play/Fail")
        self.early = channel.stream_unary("/play.Play/Early")
        self.wait = channel.unary_stream("/play.Play/Wait")
        self.remaining = channel.unary_unary("/play.Play/Remaining")
        self.cancelled = channel.unary_unary("/play.Play/Cancelled")
        self.unknown = channel.unary_unary("/play.Play/Unknown")


def expect(is_true, *words):
    if not is_true:
        raise AssertionError(" ".join(str(word) for word in words))


def own(metadata):
    """What the server set. A proxy may add two fields, and nothing else."""
    return {key: value for key, value in metadata if key not in ("date", "x-request-id")}


# Each of these is one case; its name is what is printed.


def unary(methods):
    answer, call = methods.unary.with_call(
        b"hello", timeout=20, metadata=(("x-note", "a, b"), ("x-note-bin", b"\0\xff\n")))
    expect(answer == b"hello", answer)
    expect(call.code() == grpc.StatusCode.OK, call.code())
    expect(call.details() == "", call.details())
    expect(set(own(call.initial_metadata())) == {"x-server"}, call.initial_metadata())
    expect(
        own(call.trailing_metadata())
        == {"x-length": "5", "x-back": "a, b", "x-bytes-bin": b"\0\xff\n"},
        call.trailing_metadata())


def empty_message(methods):
    expect(methods.unary(b"", timeout=20) == b"", "not empty")


def upload(methods):
    answer, call = methods.upload.with_call((b"u" * 1000 for _ in range(200)), timeout=20)
    expect(answer.endswith(b" 200 200000"), answer)
    expect(own(call.trailing_metadata()) == {"x-count": "200"}, call.trailing_metadata())


def upload_nothing(methods):
    expect(methods.upload(iter(()), timeout=20).endswith(b" 0 0"), "not nothing")


def download(methods):
    call = methods.download(b"300 1000", timeout=20)
    numbers = [int.from_bytes(message[:4], "big") for message in call]
    expect(numbers == list(range(300)), numbers)
    expect(own(call.trailing_metadata()) == {"x-count": "300"}, call.trailing_metadata())


def download_nothing(methods):
    call = methods.download(b"0 0", timeout=20)
    expect(list(call) == [], "not nothing")
    expect(call.code() == grpc.StatusCode.OK, call.code())


def chat(methods, count=100):
    """Each message is sent when the one before was answered."""
    outbox = queue.Queue()
    call = methods.chat(iter(outbox.get, None), timeout=20)
    for number in range(count):
        message = b"%d message" % number
        outbox.put(message)
        expect(next(call) == message[::-1], "message", number)
    outbox.put(None)
    expect(list(call) == [], "more came")
    expect(own(call.trailing_metadata()) == {"x-count": str(count)}, call.trailing_metadata())


def large_both_ways(methods):
    message = os.urandom(LARGE)
    expect(methods.unary(message, timeout=60) == message, "not the same")


def large_messages_in_a_chat(methods):
    messages = [os.urandom(1 << 20) for _ in range(8)]
    answers = list(methods.chat(iter(messages), timeout=60))
    expect(answers == [message[::-1] for message in messages], "not the same")


def status(methods):
    for code in grpc.StatusCode:
        if code == grpc.StatusCode.OK:
            continue
        words = "words: 100% of them, \u00fc\u4e2d"
        try:
            methods.fail(f"{code.value[0]} 10 {words}".encode(), timeout=20)
            raise AssertionError(f"{code} did not fail")
        except grpc.RpcError as error:
            expect(error.code() == code, error.code(), "for", code)
            expect(error.details() == words, error.details())
            expect(own(error.trailing_metadata()) == {"x-why": "w" * 10}, error.trailing_metadata())


def large_trailers(methods):
    for count in (3000, 4090, 5000, 7000):
        try:
            methods.fail(f"9 {count} x".encode(), timeout=20)
            raise AssertionError("did not fail")
        except grpc.RpcError as error:
            expect(error.code() == grpc.StatusCode.FAILED_PRECONDITION, count, error)
            trailers = own(error.trailing_metadata())
            expect(trailers == {"x-why": "w" * count}, trailers)


def large_trailers_behind_content(methods):
    for count in (4000, 4090, 5000, 7000):
        note = "n" * count
        answer, call = methods.unary.with_call(b"x", timeout=20, metadata=(("x-note", note),))
        expect(answer == b"x", answer)
        expect(own(call.trailing_metadata()) == {"x-length": "1", "x-back": note}, count)


def unknown_method(methods):
    try:
        methods.unknown(b"", timeout=20)
        raise AssertionError("did not fail")
    except grpc.RpcError as error:
        expect(error.code() == grpc.StatusCode.UNIMPLEMENTED, error)


def server_ends_early(methods):
    def endless():
        while True:
            yield b"e" * 10_000

    for _ in range(5):
        try:
            methods.early(endless(), timeout=20)
            raise AssertionError("did not fail")
        except grpc.RpcError as error:
            expect(error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED, error)
            expect(error.details() == "enough", error.details())
            expect(own(error.trailing_metadata()) == {"x-early": "yes"}, error.trailing_metadata())


def await_cancelled(methods, before):
    end = time.monotonic() + 15
    while time.monotonic() < end:
        if int(methods.cancelled(b"", timeout=20)) > before:
            return
        time.sleep(0.02)
    raise AssertionError("the server was not told")


def cancellation(methods):
    before = int(methods.cancelled(b"", timeout=20))
    call = methods.wait(b"", timeout=50)
    expect(next(call) == b"waiting", "other words")
    call.cancel()
    await_cancelled(methods, before)
    expect(call.code() == grpc.StatusCode.CANCELLED, call.code())


def deadline(methods):
    left = float(methods.remaining(b"", timeout=17))
    expect(12 < left < 18, "the server was given", left)
    expect(float(methods.remaining(b"")) > 1e6 or float(methods.remaining(b"")) == -1, "a deadline")
    before = int(methods.cancelled(b"", timeout=20))
    call = methods.wait(b"", timeout=0.5)
    began = time.monotonic()
    try:
        list(call)
        raise AssertionError("did not end")
    except grpc.RpcError as error:
        expect(error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error)
    expect(time.monotonic() - began < 10, "it took", time.monotonic() - began)
    await_cancelled(methods, before)


def hundred_at_once(methods):
    """All are open at the same time: each waits for its second message until all have begun."""
    count = 100
    begun = threading.Barrier(count)
    failures = []

    def talk(number):
        try:
            outbox = queue.Queue()
            call = methods.chat(iter(outbox.get, None), timeout=50)
            outbox.put(b"ab%d" % number)
            expect(next(call) == (b"ab%d" % number)[::-1], "first")
            begun.wait(40)
            outbox.put(b"cd%d" % number)
            expect(next(call) == (b"cd%d" % number)[::-1], "second")
            outbox.put(None)
            expect(list(call) == [], "more")
        except Exception as problem:
            failures.append(repr(problem))

    threads = [threading.Thread(target=talk, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect(not failures, len(failures), failures[:1])


CASES = (
    unary, empty_message, upload, upload_nothing, download, download_nothing, chat,
    large_both_ways, large_messages_in_a_chat, status, large_trailers,
    large_trailers_behind_content, unknown_method,
    server_ends_early, cancellation, deadline, hundred_at_once,
)


def check():
    with channel() as connection:
        methods = Methods(connection)
        for case in CASES:
            try:
                case(methods)
                print(f"ok {case.__name__}", flush=True)
            except Exception as problem:
                print(f"failed {case.__name__}: {problem}", flush=True)
    print("end")


def load():
    stop = sys.argv[4]
    lock = threading.Lock()
    done, servers, failures = collections.Counter(), collections.Counter(), []
    end = time.monotonic() + 120

    def unary_load(methods):
        answer, call = methods.unary.with_call(b"u" * 100, timeout=30)
        expect(answer == b"u" * 100, "answer")
        with lock:
            servers[dict(call.initial_metadata())["x-server"]] += 1

    def upload_load(methods):
        answer = methods.upload((b"u" * 1000 for _ in range(20)), timeout=30)
        expect(answer.endswith(b" 20 20000"), answer)

    def download_load(methods):
        expect(len(list(methods.download(b"20 1000", timeout=30))) == 20, "messages")

    def chat_load(methods):
        chat(methods, count=10)

    def work(shape):
        with channel() as connection:
            methods = Methods(connection)
            while time.monotonic() < end and not os.path.exists(stop):
                try:
                    shape(methods)
                    with lock:
                        done[shape.__name__] += 1
                except Exception as problem:
                    with lock:
                        failures.append(f"{shape.__name__}: {problem!r}")

    shapes = (unary_load, upload_load, download_load, chat_load)
    threads = [threading.Thread(target=work, args=(shape,)) for shape in shapes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(f"shapes {len(done)} calls {sum(done.values())} failed {len(failures)}")
    print(f"{dict(done)} {dict(servers)} {failures[:3]}")


check() if mode == "check" else load()
