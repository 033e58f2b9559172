#!/usr/bin/env python3
"""Python's h2 as a client: h2_calls.py PORT AUTHORITY|-, prints one line for each case.

A line is "ok NAME" or "failed NAME: why"; the last one is "end". h2 checks by itself that frames,
windows, fields and states are those of RFC 9113, and raises when they are not.
"""

import socket
import ssl
import sys

import h2.config
import h2.connection
import h2.events
import h2.settings

port, authority = int(sys.argv[1]), sys.argv[2]


class Client:
    def __init__(self):
        raw = socket.create_connection(("127.0.0.1", port), timeout=20)
        if authority == "-":
            self.socket = raw
        else:
            context = ssl.create_default_context(cafile=authority)
            context.set_alpn_protocols(["h2"])
            self.socket = context.wrap_socket(raw, server_hostname="a.test")
            expect(self.socket.selected_alpn_protocol() == "h2", "not agreed on h2")
        self.h2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.answers = {}
        self.ended = set()
        self.resets = {}
        self.interim = []
        self.goaway = None
        self.pongs = 0
        self.isClosed = False
        self.flush()

    def flush(self):
        data = self.h2.data_to_send()
        if data:
            self.socket.sendall(data)

    def begin(self, method, path, extra=(), end=True):
        stream = self.h2.get_next_available_stream_id()
        fields = [(":method", method), (":scheme", "http" if authority == "-" else "https"),
                  (":authority", "a.test"), (":path", path), *extra]
        self.h2.send_headers(stream, fields, end_stream=end)
        self.answers[stream] = [None, b"", {}]
        self.flush()
        return stream

    def turn(self, keepsWindow=False):
        data = self.socket.recv(65536)
        if not data:
            self.isClosed = True
            return
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.ResponseReceived):
                self.answers[event.stream_id][0] = dict(event.headers)
            elif isinstance(event, h2.events.InformationalResponseReceived):
                self.interim.append(dict(event.headers)[":status"])
            elif isinstance(event, h2.events.DataReceived):
                self.answers[event.stream_id][1] += event.data
                if not keepsWindow:
                    self.h2.acknowledge_received_data(
                        event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.TrailersReceived):
                self.answers[event.stream_id][2] = dict(event.headers)
            elif isinstance(event, h2.events.StreamEnded):
                self.ended.add(event.stream_id)
            elif isinstance(event, h2.events.StreamReset):
                self.resets[event.stream_id] = event.error_code
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.goaway = event.error_code
            elif isinstance(event, h2.events.PingAckReceived):
                self.pongs += 1
        self.flush()

    def until(self, condition, what):
        while not condition():
            expect(not self.isClosed, "closed before", what)
            self.turn()

    def answer(self, stream):
        self.until(lambda: stream in self.ended or stream in self.resets, "the answer")
        expect(stream not in self.resets, "reset with", self.resets.get(stream))
        return self.answers[stream]

    def send(self, stream, content, end=True, trailers=None):
        position = 0
        while position < len(content):
            room = min(self.h2.local_flow_control_window(stream), self.h2.max_outbound_frame_size,
                       len(content) - position)
            if room == 0:
                self.turn()
                continue
            self.h2.send_data(stream, content[position:position + room])
            position += room
            self.flush()
        if trailers:
            self.h2.send_headers(stream, trailers, end_stream=True)
        elif end:
            self.h2.end_stream(stream)
        self.flush()


def expect(isTrue, *words):
    if not isTrue:
        raise AssertionError(" ".join(str(word) for word in words))


def get():
    fields, content, _ = Client().answer_of("GET", "/hello")
    expect(fields[":status"] == "200" and content == b"hello", fields, content)
    expect("connection" not in fields and "transfer-encoding" not in fields, fields)


def head():
    fields, content, _ = Client().answer_of("HEAD", "/hello")
    expect(fields[":status"] == "200" and content == b"", fields, content)
    expect(fields["content-length"] == "5", fields)


def upload():
    client = Client()
    content = bytes(range(256)) * 8192
    stream = client.begin("POST", "/echo", [("content-length", str(len(content)))], end=False)
    client.send(stream, content)
    expect(client.answer(stream)[1] == content, "not what was sent")


def uploadWithoutLength():
    client = Client()
    content = b"chunk" * 50000
    stream = client.begin("POST", "/echo", end=False)
    client.send(stream, content)
    expect(client.answer(stream)[1] == content, "not what was sent")


def trailers():
    client = Client()
    stream = client.begin("POST", "/trailers", [("te", "trailers")], end=False)
    client.send(stream, b"abc", trailers=[("x-sum", "6")])
    _, content, fields = client.answer(stream)
    expect(content == b"abc", content)
    expect(fields.get("x-sum") == "6", fields)


def many():
    client = Client()
    streams = [client.begin("GET", "/hello") for _ in range(50)]
    for stream in streams:
        expect(client.answer(stream)[1] == b"hello", stream)


def cookies():
    client = Client()
    stream = client.begin("GET", "/cookie", [("cookie", "a=1"), ("cookie", "b=2")])
    expect(client.answer(stream)[1] == b"a=1; b=2", client.answers[stream])


def cancel():
    client = Client()
    stream = client.begin("GET", "/endless")
    client.until(lambda: len(client.answers[stream][1]) > 100000, "content")
    client.h2.reset_stream(stream, 8)
    client.flush()
    other = client.begin("GET", "/hello")
    expect(client.answer(other)[1] == b"hello", "the next one")


def slowReader():
    client = Client()
    client.h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: 1000})
    client.flush()
    client.h2.ping(b"settings")
    client.flush()
    client.until(lambda: client.pongs == 1, "the pong")
    stream = client.begin("GET", "/large")
    while len(client.answers[stream][1]) < 1000:
        client.turn(keepsWindow=True)
    other = client.begin("GET", "/hello")
    while other not in client.ended:
        client.turn(keepsWindow=True)
    expect(len(client.answers[stream][1]) == 1000, "more than the window")
    client.h2.increment_flow_control_window(400000, stream)
    client.h2.increment_flow_control_window(400000)
    client.flush()
    expect(len(client.answer(stream)[1]) == 300000, "not all of it")


def early():
    client = Client()
    stream = client.begin("GET", "/hints")
    expect(client.answer(stream)[1] == b"hello" and client.interim == ["103"], client.interim)


def lengthTooLong():
    client = Client()
    stream = client.begin("POST", "/echo", [("content-length", "3")], end=False)
    client.h2.send_data(stream, b"four", end_stream=True)
    client.flush()
    client.until(lambda: stream in client.resets or stream in client.ended, "the refusal")
    refused = client.resets.get(stream) == 1 or client.answers[stream][0][":status"] == "400"
    expect(refused, client.resets, client.answers[stream])
    expect(client.answer(client.begin("GET", "/hello"))[1] == b"hello", "the next one")


Client.answer_of = lambda self, method, path: self.answer(self.begin(method, path))

cases = [get, head, upload, uploadWithoutLength, trailers, many, cookies, cancel, slowReader,
         early, lengthTooLong]
for case in cases:
    try:
        case()
        print("ok", case.__name__, flush=True)
    except Exception as error:  # Whatever it is, it is told.
        print(f"failed {case.__name__}: {type(error).__name__} {error}", flush=True)
print("end", flush=True)
