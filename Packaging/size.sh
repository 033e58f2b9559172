#!/bin/bash
# Fails when a file has more than so many bytes: size.sh FILE BYTES
set -eu
bytes=$(stat -c %s "$1")
printf '%s: %s bytes, of %s at most\n' "$(basename "$1")" "$bytes" "$2"
if [ "$bytes" -gt "$2" ]; then
    echo "$1 is too large" >&2
    exit 1
fi
