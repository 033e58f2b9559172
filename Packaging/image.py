#!/usr/bin/env python3
"""Makes an image from a directory and the final stage of the Dockerfile, without an engine.

    image.py DOCKERFILE ROOT OUT.tar TAG

The archive is an OCI image layout that `docker load` and `podman load` take as well. Equal input
gives an equal archive, byte for byte: entries are sorted, times are the commit's.
"""

import gzip
import hashlib
import io
import json
import os
import platform
import shlex
import sys
import tarfile

# What the image's user owns; everything else is root's.
OWNED = {"run/staithe", "var/lib/staithe"}
USER = 65532
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def instructions(path):
    """The lines of the final stage: (word, rest), continued lines joined."""
    text = open(path, encoding="utf-8").read().replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    lines = [line for line in lines if line and not line.startswith("#")]
    start = max(i for i, line in enumerate(lines) if line.startswith("FROM "))
    if lines[start] != "FROM scratch":
        sys.exit(f"{path}: the final stage must be FROM scratch")
    return [tuple(line.split(None, 1)) for line in lines[start + 1 :]]


def nanoseconds(text):
    return int(text.rstrip("s")) * 1_000_000_000


def health(rest):
    options, command = rest.split("CMD", 1)
    check = {"Test": ["CMD"] + json.loads(command)}
    names = {"--interval": "Interval", "--timeout": "Timeout", "--start-period": "StartPeriod"}
    for option in options.split():
        name, value = option.split("=")
        if name == "--retries":
            check["Retries"] = int(value)
        else:
            check[names[name]] = nanoseconds(value)
    return check


def configuration(path):
    """What a container of the image is told, from the Dockerfile. Unknown words are errors."""
    config = {"Env": [], "Labels": {}, "ExposedPorts": {}, "Volumes": {}}
    for word, rest in instructions(path):
        if word == "COPY":
            if rest != "--from=build /out/ /":
                sys.exit(f"{path}: the final stage may copy /out/ only, and has: {rest}")
        elif word == "ENV":
            config["Env"].append(rest)
        elif word == "USER":
            config["User"] = rest
        elif word == "VOLUME":
            config["Volumes"] = {name: {} for name in json.loads(rest)}
        elif word == "EXPOSE":
            config["ExposedPorts"] = {f"{port}/tcp": {} for port in rest.split()}
        elif word == "STOPSIGNAL":
            config["StopSignal"] = rest
        elif word == "HEALTHCHECK":
            config["Healthcheck"] = health(rest)
        elif word == "LABEL":
            config["Labels"] = dict(pair.split("=", 1) for pair in shlex.split(rest))
        elif word == "ENTRYPOINT":
            config["Entrypoint"] = json.loads(rest)
        elif word == "CMD":
            config["Cmd"] = json.loads(rest)
        else:
            sys.exit(f"{path}: {word} is not known here")
    config["WorkingDir"] = "/"
    return config


def add(archive, name, content, time):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    entry.mtime = time
    entry.mode = 0o644
    archive.addfile(entry, io.BytesIO(content))


def layer(root, time):
    """The one layer, as a tar archive."""
    names = []
    for directory, folders, files in os.walk(root):
        folders.sort()
        names += [os.path.relpath(os.path.join(directory, name), root) for name in folders + files]
    output = io.BytesIO()
    with tarfile.open(fileobj=output, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(names):
            path = os.path.join(root, name)
            entry = tarfile.TarInfo(name)
            entry.mtime = time
            entry.uid = entry.gid = USER if name in OWNED else 0
            if os.path.isdir(path):
                entry.type = tarfile.DIRTYPE
                entry.mode = 0o755
                archive.addfile(entry)
            else:
                entry.mode = 0o755 if os.access(path, os.X_OK) else 0o644
                entry.size = os.path.getsize(path)
                with open(path, "rb") as file:
                    archive.addfile(entry, file)
    return output.getvalue()


def digest(content):
    return hashlib.sha256(content).hexdigest()


def encode(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def main(dockerfile, root, out, tag):
    time = int(os.environ.get("SOURCE_DATE_EPOCH", "0"))
    architecture = ARCHITECTURES[platform.machine()]
    plain = layer(root, time)
    packed = gzip.compress(plain, compresslevel=9, mtime=0)
    image = encode(
        {
            "architecture": architecture,
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": configuration(dockerfile),
            "rootfs": {"type": "layers", "diff_ids": ["sha256:" + digest(plain)]},
            "history": [{"created": "1970-01-01T00:00:00Z", "created_by": "make image"}],
        }
    )
    kind = "application/vnd.oci.image."
    described = {
        "schemaVersion": 2,
        "mediaType": kind + "manifest.v1+json",
        "config": {
            "mediaType": kind + "config.v1+json",
            "digest": "sha256:" + digest(image),
            "size": len(image),
        },
        "layers": [
            {
                "mediaType": kind + "layer.v1.tar+gzip",
                "digest": "sha256:" + digest(packed),
                "size": len(packed),
            }
        ],
    }
    manifest = encode(described)
    index = encode(
        {
            "schemaVersion": 2,
            "mediaType": kind + "index.v1+json",
            "manifests": [
                {
                    "mediaType": kind + "manifest.v1+json",
                    "digest": "sha256:" + digest(manifest),
                    "size": len(manifest),
                    "platform": {"architecture": architecture, "os": "linux"},
                    "annotations": {
                        "io.containerd.image.name": "docker.io/library/" + tag,
                        "org.opencontainers.image.ref.name": tag.split(":")[-1],
                    },
                }
            ],
        }
    )
    blobs = {digest(content): content for content in (image, packed, manifest)}
    # What `docker load` reads, older engines nothing else.
    archive_manifest = [
        {
            "Config": f"blobs/sha256/{digest(image)}",
            "RepoTags": [tag],
            "Layers": [f"blobs/sha256/{digest(packed)}"],
        }
    ]
    os.makedirs(os.path.dirname(out) or ".", exist_ok=True)
    with tarfile.open(out, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name in sorted(blobs):
            add(archive, f"blobs/sha256/{name}", blobs[name], time)
        add(archive, "index.json", index, time)
        add(archive, "manifest.json", encode(archive_manifest), time)
        add(archive, "oci-layout", encode({"imageLayoutVersion": "1.0.0"}), time)
    print(
        f"{out}: {os.path.getsize(out):,} bytes, unpacked {len(plain):,}, "
        f"sha256:{digest(manifest)[:12]}"
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
