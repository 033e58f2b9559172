#!/usr/bin/env python3
"""Uploads whose answer comes before their end: early_answers.py URL SIZE [AUTHORITY].

Prints what http.client and urllib make of it, one line each: the status, the length of the answer
and whether the connection was announced to end.
"""

import http.client
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

url, size = sys.argv[1], int(sys.argv[2])
context = ssl.create_default_context(cafile=sys.argv[3]) if len(sys.argv) > 3 else None
parts = urllib.parse.urlsplit(url)
content = b"x" * size


def with_client():
    if context:
        connection = http.client.HTTPSConnection(parts.netloc, timeout=60, context=context)
    else:
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    connection.request("POST", parts.path, body=content)
    answer = connection.getresponse()
    return answer.status, len(answer.read()), answer.headers.get("Connection")


def with_urllib():
    try:
        answer = urllib.request.urlopen(url, data=content, timeout=60, context=context)
    except urllib.error.HTTPError as error:
        answer = error
    return answer.status, len(answer.read()), answer.headers.get("Connection")


for name, ask in ("http.client", with_client), ("urllib", with_urllib):
    try:
        print(name, *ask())
    except OSError as error:
        print(name, type(error).__name__, error)
    except http.client.HTTPException as error:
        print(name, type(error).__name__, error)
