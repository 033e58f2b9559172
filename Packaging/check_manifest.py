#!/usr/bin/env python3
"""Has kubectl read the Kubernetes manifest, without a cluster.

    check_manifest.py MANIFEST

`kubectl create --dry-run=client` asks the API server which kinds there are, and nothing else: here
it asks a stand-in on 127.0.0.1. Without a cluster there is no schema to validate with
(`--validate=false`), so what kubectl itself knows of the built-in kinds is used besides: it reads
each object and writes it again (`kubectl set env --local`), and a field that it does not know is
not there any more. Exits 0, with a note, where there is no kubectl.
"""

import http.server
import json
import shutil
import subprocess
import sys
import tempfile
import threading

KINDS = {
    "v1": ["ConfigMap", "Service"],
    "apps/v1": ["Deployment"],
    "policy/v1": ["PodDisruptionBudget"],
}
# Newer than some kubectl that is about.
YOUNG = {"sleep"}


def resources(version):
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {
                "name": kind.lower() + "s",
                "singularName": kind.lower(),
                "namespaced": True,
                "kind": kind,
                "verbs": ["create", "get", "patch"],
            }
            for kind in KINDS[version]
        ],
    }


def answer(path):
    path = path.split("?")[0]
    if path == "/api":
        return {"kind": "APIVersions", "versions": ["v1"]}
    if path == "/apis":
        groups = []
        for version in KINDS:
            if "/" in version:
                entry = {"groupVersion": version, "version": version.split("/")[1]}
                groups.append(
                    {
                        "name": version.split("/")[0],
                        "versions": [entry],
                        "preferredVersion": entry,
                    }
                )
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for version in KINDS:
        if path in (f"/api/{version}", f"/apis/{version}"):
            return resources(version)
    return None


class StandIn(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = answer(self.path)
        content = json.dumps(body or {"kind": "Status", "status": "Failure", "code": 404}).encode()
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


def documents(text):
    """One JSON object after the other, or a list of them."""
    found = []
    while text.strip():
        value, end = json.JSONDecoder().raw_decode(text.lstrip())
        text = text.lstrip()[end:]
        found += value.get("items", [value])
    return found


def lost(written, read, path=""):
    """The fields that were written and not read."""
    if isinstance(written, dict):
        if not isinstance(read, dict):
            return [path]
        places = []
        for key, value in written.items():
            if key in YOUNG:
                continue
            if key not in read:
                places += [f"{path}.{key}"] if value not in ({}, []) else []
            else:
                places += lost(value, read[key], f"{path}.{key}")
        return places
    if isinstance(written, list):
        if not isinstance(read, list) or len(read) < len(written):
            return [path]
        return [
            place
            for index, value in enumerate(written)
            for place in lost(value, read[index], f"{path}[{index}]")
        ]
    return []


def main(path):
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        print(f"{path}: NOT read by kubectl, which is not here")
        return
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), StandIn)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as cache:

        def ask(*words, text=None):
            result = subprocess.run(
                [kubectl, "--cache-dir", cache, "--kubeconfig", "/dev/null", *words],
                input=text, capture_output=True, text=True, check=False)
            if result.returncode != 0:
                sys.exit(f"{path}: {result.stdout}{result.stderr}")
            return result.stdout

        answer = ask(
            f"--server=http://127.0.0.1:{server.server_address[1]}", "create",
            "--dry-run=client", "--validate=false", "-o", "json", "-f", path)
        objects = documents(answer)
        written = next(o for o in objects if o["kind"] == "Deployment")
        read = ask(
            "set", "env", "--local", "--dry-run=client", "-o", "json", "-f", "-", "X=y",
            text=json.dumps(written))
        places = lost(written, json.loads(read))
        if places:
            sys.exit(f"{path}: kubectl does not know {', '.join(places)}")
    print(f"{path}: kubectl reads {len(objects)} objects, and knows every field of the Deployment")


if __name__ == "__main__":
    main(*sys.argv[1:])
