#!/usr/bin/env python3
"""A pool and a client of poolmesh in Python, with its standard library alone: the NATS protocol over a socket.

    python3 poolmesh.py pool            runs tasks that require "python" until it is stopped
    python3 poolmesh.py submit TEXT     submits such a task and prints its result

The server is the one of NATS_URL, else nats://127.0.0.1:4222.
"""
import json
import os
import signal
import socket
import sys
import uuid
from urllib.parse import urlparse


class Nats:
    """Publishes, subscribes and asks. Headers are not asked for, so the server leaves them out."""

    def __init__(self, url):
        where = urlparse(url)
        self.socket = socket.create_connection((where.hostname, where.port or 4222))
        self.lines = self.socket.makefile("rb")
        self.handlers = {}
        options = {"verbose": False, "pedantic": False, "headers": False, "lang": "python", "version": "1", "name": "poolmesh.py"}
        if where.username and not where.password:
            options["auth_token"] = where.username
        self.lines.readline()  # INFO
        self.send(b"CONNECT " + json.dumps(options).encode() + b"\r\nPING\r\n")
        while True:
            line = self.lines.readline()
            if line.startswith(b"PONG"):
                return
            if not line or line.startswith(b"-ERR"):
                raise ConnectionError(line.decode().strip() or "the server closed the connection")

    def send(self, data):
        self.socket.sendall(data)

    def publish(self, subject, value, reply=""):
        body = json.dumps(value).encode()
        self.send(f"PUB {subject} {reply} {len(body)}\r\n".encode() + body + b"\r\n")

    def subscribe(self, subject, handler, queue=""):
        number = str(len(self.handlers) + 1)
        self.handlers[number] = handler
        self.send(f"SUB {subject} {queue} {number}\r\n".encode())

    def run(self, until=lambda: False):
        """Gives messages to their handlers, until something is so."""
        while not until():
            line = self.lines.readline()
            if not line:
                raise ConnectionError("the server closed the connection")
            if line.startswith(b"PING"):
                self.send(b"PONG\r\n")
            elif line.startswith(b"-ERR"):
                raise ConnectionError(line.decode().strip())
            elif line.startswith(b"MSG"):
                _, subject, number, *reply, size = line.decode().split()
                body = self.lines.read(int(size) + 2)[:-2]
                self.handlers[number](json.loads(body or b"null"), reply[0] if reply else "")

    def request(self, subject, value):
        answers = []
        inbox = f"_INBOX.{uuid.uuid4().hex}"
        self.subscribe(inbox, lambda answer, _: answers.append(answer))
        self.publish(subject, value, inbox)
        self.run(until=lambda: answers)
        return answers[0]


def pool(nats):
    def work(task, reply):
        text = task["payload"].get("text")
        if isinstance(text, str):
            answer = {"task_id": task["task_id"], "status": "completed", "output": {"characters": len(text), "by": "python"}}
        else:
            answer = {"task_id": task["task_id"], "status": "failed", "error": "the payload has no text"}
        nats.publish(reply, answer)

    name = "python_pool"
    nats.subscribe(f"pool.work.{name}", work, queue=name)
    # One task at a time: the loop of this file does nothing else meanwhile.
    descriptor = {"name": name, "pool_type": "nats", "capabilities": ["python"], "max_workers": 1}
    registered = nats.request("pool.register", descriptor)
    if "error" in registered:
        sys.exit(f"refused: {registered['error']['message']}")
    print(f"{name} is registered", flush=True)

    def stop(*_):
        # Nothing runs in it now, so it may go at once.
        nats.publish("pool.deregister", {"name": name}, "_INBOX.nobody")
        sys.exit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    nats.run()


def submit(nats, text):
    results = []
    task_id = str(uuid.uuid4())

    # One result for a task submitted alone; those of a batch come in arrays.
    def completed(told, _):
        results.extend(one for one in (told if isinstance(told, list) else [told]) if one["task_id"] == task_id)

    nats.subscribe("task.completed", completed)
    # As a request: the answer means that it is stored and will end in exactly one result.
    ack = nats.request(
        "task.submitted",
        {"task_id": task_id, "task_type": "count", "payload": {"text": text}, "required_capabilities": ["python"]},
    )
    if "error" in ack:
        sys.exit(f"not stored: {ack['error']}")
    nats.run(until=lambda: results)
    print(f"{results[0]['pool_name']}: {results[0]['status']}, {json.dumps(results[0]['output'])}")


if __name__ == "__main__":
    connection = Nats(os.environ.get("NATS_URL") or "nats://127.0.0.1:4222")
    if sys.argv[1:] == ["pool"]:
        pool(connection)
    elif len(sys.argv) == 3 and sys.argv[1] == "submit":
        submit(connection, sys.argv[2])
    else:
        sys.exit(__doc__)
