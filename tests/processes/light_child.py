"""A child without our imports, so that it starts at once: speaks the channel, answers its pid to whoever connects.

Usage: light_child.py MODE CHANNEL LISTENER, where MODE is `works`, `dies` (at once), `stuck` (ignores a drain),
`mute` (never ready), `babbles` (what is no message), or a file: `dies` while it exists, `works` afterwards.
"""

import json
import os
import select
import socket
import sys
from pathlib import Path


def main() -> None:
    mode, channel, place = sys.argv[1], socket.socket(fileno=int(sys.argv[2])), int(sys.argv[3])
    if mode == "dies" or Path(mode).exists():
        sys.exit(3)
    if mode == "babbles":
        channel.sendall(b"what?\n")
    elif mode != "mute":
        channel.sendall(b'{"say":"ready"}\n')
    listener = socket.socket(fileno=place) if place >= 0 else None
    sources = [source for source in (channel, listener) if source is not None]
    while True:
        for ready in select.select(sources, [], [])[0]:
            if ready is channel:
                line = channel.recv(65536)
                if not line or (b"drain" in line and mode != "stuck"):
                    if line:
                        channel.sendall(b'{"say":"drained","cut":0}\n')
                    sys.exit(0)
                if b"snapshot" in line:
                    told = json.loads(line)["path"]
                    channel.sendall(json.dumps({"say": "snapshot", "digest": told}).encode() + b"\n")
            elif listener is not None:
                try:
                    client, _ = listener.accept()
                except BlockingIOError:
                    continue
                client.sendall(str(os.getpid()).encode())
                client.close()


main()
