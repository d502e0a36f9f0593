#!/usr/bin/python3
"""Does a server do what its OpenAPI file says, and nothing else?      openapi.py SOCKET FILE ROUTE...

Every operation of the file is tried, with bodies that are right and wrong: status, content type and JSON must be as the file has them,
and JSON may have no member that is not there. The methods that the server allows on a path (what it says to OPTIONS) must be those of
the file, and the ROUTEs (METHOD/path) that its source has, too. Says what is wrong, a line each.
"""
import http.client
import json
import socket
import sys

import yaml

GOOD = {"proto": "tcp", "parentIP": "127.0.0.1", "parentPort": 0, "childPort": 80}
problems = []
seen = set()


class Connection(http.client.HTTPConnection):
    """HTTP over the unix socket."""

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(20)
        self.sock.connect(sys.argv[1])


def call(method, path, body=None, lines=None):
    """Status, header, and the body (the first lines of it, when it has no end)."""
    connection = Connection("x")
    try:
        connection.request(method, path, None if body is None else json.dumps(body))
    except BrokenPipeError:  # it answers before it has heard everything, and closes
        pass
    reply = connection.getresponse()
    data = b"".join(reply.readline() for _ in range(lines)) if lines else reply.read()
    connection.close()
    return reply.status, reply.headers, data


def resolve(schema):
    while "$ref" in schema:
        found = spec
        for part in schema["$ref"].split("/")[1:]:
            found = found[part]
        schema = found
    return schema


def mismatch(value, schema):
    """What is wrong with a value; None: nothing."""
    schema = resolve(schema)
    if "oneOf" in schema:
        wrong = [mismatch(value, other) for other in schema["oneOf"]]
        return None if wrong.count(None) == 1 else f"not exactly one of: {wrong}"
    kinds = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}
    kind = kinds[schema["type"]]
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        return f"{value!r} is no {schema['type']}"
    if "enum" in schema and value not in schema["enum"]:
        return f"{value!r} is none of {schema['enum']}"
    if kind is int and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        return f"{value} is out of range"
    if kind is list:
        return next((wrong for wrong in (mismatch(item, schema["items"]) for item in value) if wrong), None)
    if kind is dict:
        for name in schema.get("required", ()):
            if name not in value:
                return f"{name} is missing in {value}"
        for name, member in value.items():
            if name not in schema["properties"]:
                return f"{name} is not in the file"
            wrong = mismatch(member, schema["properties"][name])
            if wrong:
                return f"{name}: {wrong}"
    return None


def check(template, method, want, path=None, body=None, lines=None):
    """One request: its answer must be the file's for this status."""
    status, headers, data = call(method, path or template, body, lines)
    what = f"{method} {path or template} {json.dumps(body)[:60] if body is not None else ''}: {status}"
    if status != want:
        problems.append(f"{what}, wanted {want}: {data[:200]}")
        return None
    answer = spec["paths"][template][method.lower()]["responses"].get(str(status))
    if answer is None:
        problems.append(f"{what} is not in the file")
        return None
    seen.add((template, method, str(status)))
    content = resolve(answer).get("content", {})
    if not content:
        if data:
            problems.append(f"{what} has a body: {data[:80]}")
        return None
    kind = headers.get("Content-Type")
    if kind not in content:
        problems.append(f"{what} is {kind}")
        return None
    values = [json.loads(line) for line in (data.splitlines() if lines else [data])]
    for value in values:
        wrong = mismatch(value, content[kind]["schema"])
        if wrong:
            problems.append(f"{what}: {wrong}")
    return values[0]


with open(sys.argv[2], encoding="utf-8") as file:
    spec = yaml.safe_load(file)

# What is in the file is served.
check("/v1/info", "GET", 200)
check("/v1/ports", "GET", 200)
one = check("/v1/ports", "POST", 201, body=GOOD)
check("/v1/ports", "POST", 201, body=[GOOD, dict(GOOD, proto="udp", childIP="127.0.0.2")])
check("/v1/ports", "POST", 201, body=[GOOD])
check("/v1/ports", "GET", 200)
for bad in ({}, [], 7, dict(GOOD, proto="x"), [GOOD, dict(GOOD, childPort=0)], dict(GOOD, parentPort=one["spec"]["parentPort"])):
    check("/v1/ports", "POST", 400, body=bad)
check("/v1/ports", "POST", 413, body=" " * (1 << 20))
check("/v1/events", "GET", 200, lines=5)
check("/v1/ports/{id}", "DELETE", 200, path=f"/v1/ports/{one['id']}")
check("/v1/ports/{id}", "DELETE", 400, path=f"/v1/ports/{one['id']}")
check("/v1/ports/{id}", "DELETE", 400, path="/v1/ports/x")
for proto in resolve(spec["components"]["schemas"]["PortSpec"])["properties"]["proto"]["enum"]:
    check("/v1/ports", "POST", 201, body={"proto": proto, "childPort": 80})

# What is in the file was tried: all but what needs another instance, or many clients.
operations = {(path, method.upper()) for path, item in spec["paths"].items() for method in item}
for path, method in sorted(operations):
    for status in spec["paths"][path][method.lower()]["responses"]:
        if (path, method, status) not in seen and (path, method, status) not in {
                ("/v1/ports", "GET", "400"), ("/v1/events", "GET", "400"), ("/v1/events", "GET", "503"), ("/v1/ports", "POST", "503")}:
            problems.append(f"{method} {path} {status} was not tried")

# What is served is in the file.
served = {(route[route.index("/"):], route[:route.index("/")]) for route in sys.argv[3:]}
served = {(path + "{id}" if path.endswith("/") else path, method) for path, method in served}
if served != operations:
    problems.append(f"in the source or the file alone: {sorted(served ^ operations)}")
for path in spec["paths"]:
    status, headers, data = call("OPTIONS", path.replace("{id}", "1"))
    allowed = {method.strip() for method in headers.get("Allow", "").split(",")}
    wanted = {method for other, method in operations if other == path}
    if status != 405 or allowed != wanted or mismatch(json.loads(data), spec["components"]["schemas"]["Error"]):
        problems.append(f"OPTIONS {path}: {status}, allowed {sorted(allowed)}, in the file {sorted(wanted)}")
status, _, data = call("GET", "/v1/nowhere")
if status != 404 or mismatch(json.loads(data), spec["components"]["schemas"]["Error"]):
    problems.append(f"an unknown path: {status} {data[:80]}")

print("\n".join(problems) if problems else f"{len(seen)} answers as in the file")
