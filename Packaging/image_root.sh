#!/bin/bash
# Lays out the root of the image: image_root.sh BINARY DIRECTORY
#
# Owners are told apart by image.py and by `COPY` of the Dockerfile, which keeps them.
set -eu
binary=$1
root=$2

rm -rf "$root"
mkdir -p "$root/etc/ssl/certs" "$root/etc/staithe" "$root/run/staithe" "$root/var/lib/staithe"
install -m 0755 "$binary" "$root/staithe"
install -m 0644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
# The user of the image: by number, because there is no file with names.
if [ "$(id -u)" -eq 0 ]; then
    chown 65532:65532 "$root/run/staithe" "$root/var/lib/staithe"
fi
