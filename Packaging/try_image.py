#!/usr/bin/env python3
"""Loads an image into an engine of its own and sees it work.

    try_image.py IMAGE.tar DOCKERFILE ROOT

The engine (Debian's docker.io) has its own data, its own socket and no network of its own; it ends
with this program. Every address is one of 127.0.0.0/8. Where no engine can be started, it says so
and exits 0: the image was made then, and not tried.
"""

import http.client
import http.server
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

IMAGE = "staithe:latest"
HARDENED = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]


def wait(seconds, condition):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


class Engine:
    """dockerd with everything below one directory."""

    def __init__(self, directory):
        self.directory = directory
        self.socket = f"{directory}/docker.sock"
        self.log = open(f"{directory}/log", "w", encoding="utf-8")
        program = shutil.which("dockerd") or "/usr/sbin/dockerd"
        self.process = subprocess.Popen(
            [program, "--data-root", f"{directory}/data", "--exec-root", f"{directory}/exec"]
            + ["-H", f"unix://{self.socket}", "--pidfile", f"{directory}/pid"]
            + ["--iptables=false", "--ip6tables=false", "--bridge=none"],
            stdout=self.log,
            stderr=self.log,
            start_new_session=True,
        )

    def is_ready(self):
        if self.process.poll() is not None:
            return False
        return self.call("version", check=False).returncode == 0

    def call(self, *words, check=True, seconds=60):
        result = subprocess.run(
            ["docker", *words],
            env={**os.environ, "DOCKER_HOST": f"unix://{self.socket}", "DOCKER_BUILDKIT": "0"},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if check and result.returncode != 0:
            sys.exit(f"docker {' '.join(words)}: {result.returncode}\n"
                     f"{result.stdout}{result.stderr}")
        return result

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.log.close()


class Server(threading.Thread):
    """Answers with its name."""

    def __init__(self, name, address):
        super().__init__(daemon=True)

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(name)))
                self.end_headers()
                self.wfile.write(name.encode())

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer((address, 0), Answer)
        self.address = f"{address}:{self.server.server_address[1]}"

    def run(self):
        self.server.serve_forever()


class Load(threading.Thread):
    """Requests one after the other; what was answered, and what was not."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.port = port
        self.answers = {}
        self.failures = []
        self.is_over = False

    def run(self):
        while not self.is_over:
            try:
                connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
                for _ in range(10):
                    connection.request("GET", "/")
                    answer = connection.getresponse()
                    text = answer.read().decode()
                    if answer.status == 200:
                        self.answers[text] = self.answers.get(text, 0) + 1
                    else:
                        self.failures.append(answer.status)
                    time.sleep(0.004)
                connection.close()
            except OSError as error:
                self.failures.append(str(error))
                time.sleep(0.05)

    def finish(self):
        self.is_over = True
        self.join(10)


def check(condition, sentence, detail=""):
    if not condition:
        sys.exit(f"image: NOT so: {sentence} {detail}")
    print(f"image: {sentence} {detail}".rstrip())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def same_as_built(engine, dockerfile, root):
    """The engine's own builder makes the same of the final stage."""
    text = open(dockerfile, encoding="utf-8").read()
    final = text[text.rindex("FROM scratch") :].replace("COPY --from=build /out/ /", "COPY . /")
    with tempfile.NamedTemporaryFile("w", suffix=".dockerfile") as file:
        file.write(final)
        file.flush()
        engine.call("build", "--network", "none", "-f", file.name, "-t", "built", root)

    def configuration(name):
        config = json.loads(engine.call("image", "inspect", name).stdout)[0]["Config"]
        names = ["Env", "User", "Entrypoint", "Cmd", "Healthcheck", "Volumes", "ExposedPorts"]
        found = {key: config.get(key) for key in names + ["StopSignal", "Labels"]}
        found["Env"] = [text for text in found["Env"] or [] if not text.startswith("PATH=")]
        return found

    ours, built = configuration(IMAGE), configuration("built")
    check(ours == built, "docker build of the final stage tells the same",
          "" if ours == built else f"{ours}\n{built}")


def run_demo(engine):
    port = free_port()
    result = engine.call(
        "run", "--rm", "--network", "host", *HARDENED, IMAGE, "demo", str(port), "--seconds", "8",
        seconds=90)
    text = result.stdout + result.stderr
    check("serves: first answer 200" in text, "the demo runs, and takes a third server live",
          "" if "serves: first answer 200" in text else text)
    # second, the share of each server, requests, failed
    rows = [line.split() for line in result.stdout.splitlines()]
    failures = [int(row[-1]) for row in rows if len(row) > 4 and row[0].isdigit()]
    check(len(failures) == 8 and sum(failures) == 0, "the demo's client saw no failure")


def run_proxy(engine, directory):
    servers = [Server(name, f"127.0.0.{10 + i}") for i, name in enumerate(["a", "b", "c"])]
    for server in servers:
        server.start()
    port = free_port()
    path = f"{directory}/staithe.yaml"
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"listen: 127.0.0.1:{port}\nservers: [{servers[0].address}, {servers[1].address}]\n")
    os.chmod(path, 0o644)
    os.chmod(directory, 0o755)
    began = time.monotonic()
    engine.call(
        "run", "-d", "--name", "proxy", "--network", "host", *HARDENED, "--health-interval", "1s",
        "-v", f"{path}:/etc/staithe/staithe.yaml:ro", IMAGE)

    def is_open():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    check(wait(20, is_open), "a container serves a file",
          f"({(time.monotonic() - began) * 1000:.0f} ms from docker run)")
    load = Load(port)
    load.start()

    facts = json.loads(engine.call("inspect", "proxy").stdout)[0]
    status = open(f"/proc/{facts['State']['Pid']}/status", encoding="utf-8").read()
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    check(fields["Uid"].split() == ["65532"] * 4, "it is user 65532")
    check(int(fields["CapEff"], 16) == 0 and int(fields["CapBnd"], 16) == 0,
          "it has no capability")
    check(fields["NoNewPrivs"].strip() == "1", "it gets no new privileges")
    check(fields["NSpid"].split()[-1] == "1", "it is process 1")
    mounts = open(f"/proc/{facts['State']['Pid']}/mounts", encoding="utf-8").read()
    rooted = next(line.split() for line in mounts.splitlines() if line.split()[1] == "/")
    check("ro" in rooted[3].split(","), "its root is read-only")

    added = engine.call("exec", "proxy", "/staithe", "add", servers[2].address)
    check("serving" in added.stdout or "up" in added.stdout, "a server is added live",
          f"({added.stdout.strip().splitlines()[-1]})")
    check(wait(10, lambda: load.answers.get("c", 0) > 0), "it answers")

    def health():
        state = json.loads(engine.call("inspect", "proxy").stdout)[0]["State"]
        return state["Health"]["Status"] == "healthy"

    check(wait(20, health), "the engine finds it healthy")
    bad = engine.call("exec", "proxy", "/staithe", "health", "--socket", "/run/x", check=False)
    check(bad.returncode == 1, "health says 1 when nobody answers")
    shell = engine.call("run", "--rm", "--network", "host", "--entrypoint", "/bin/sh", IMAGE,
                        check=False)
    check(shell.returncode != 0, "there is no shell in it")
    load.finish()
    check(not load.failures, "no request failed",
          f"({sum(load.answers.values())} of {load.answers})" if not load.failures
          else str(load.failures[:5]))
    began = time.monotonic()
    engine.call("stop", "-t", "10", "proxy")
    seconds = time.monotonic() - began
    state = json.loads(engine.call("inspect", "proxy").stdout)[0]["State"]
    check(state["ExitCode"] == 0 and seconds < 8, "SIGTERM ends it with status 0",
          f"({seconds:.1f} s, status {state['ExitCode']})")
    engine.call("rm", "-v", "proxy")


def main(archive, dockerfile, root):
    print(f"image: {os.path.getsize(archive):,} bytes packed, the binary has "
          f"{os.path.getsize(root + '/staithe'):,}")
    # Short: the path of a unix socket has at most 107 bytes.
    directory = tempfile.mkdtemp(prefix="staithe-engine-", dir="/tmp")
    engine = Engine(directory)
    try:
        if not wait(30, engine.is_ready):
            log = open(f"{directory}/log", encoding="utf-8").read().strip().splitlines()
            print("image: NOT tried, no engine can be started here: " + (log or [""])[-1])
            return
        engine.call("load", "-i", archive)
        same_as_built(engine, dockerfile, root)
        run_demo(engine)
        with tempfile.TemporaryDirectory(prefix="staithe-image-", dir="/tmp") as files:
            run_proxy(engine, files)
    finally:
        engine.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
