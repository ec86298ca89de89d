"""A gateway under a little load, scraped by a real Prometheus and traced to a collector that reads with the official schema.

Fails when a query of the dashboard or a rule errors or tells nothing, when promtool finds fault with the metrics, or when
a trace is not what docs/observe.md says.
"""

import hashlib
import http.server
import json
import os
import pathlib
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from google.protobuf.unknown_fields import UnknownFieldSet
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2
from opentelemetry.proto.trace.v1 import trace_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = pathlib.Path(sys.argv[1]).resolve()
ADMIN_KEY = "observe-admin-0123456789"
# Of the one who asks.
KEY = "pmk-observe-0123456789"
ANYTHING = ssl.create_default_context()
ANYTHING.check_hostname = False
ANYTHING.verify_mode = ssl.CERT_NONE
# Longest wait for anything; a net, not a measure.
PATIENCE = 90

spans = []
faults = []


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def unknown(message):
    """Whether the schema does not know a field of the message, or of one inside it."""
    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        parts = value if field.is_repeated else [value]
        if any(unknown(part) for part in parts):
            return True
    return False


class Collector(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.path != "/v1/traces" or self.headers["content-type"] != "application/x-protobuf":
            faults.append(f"an export to {self.path} as {self.headers['content-type']}")
        request = trace_service_pb2.ExportTraceServiceRequest.FromString(body)
        if unknown(request):
            faults.append("the schema does not know a field of an export")
        for resource in request.resource_spans:
            names = {it.key: it.value.string_value for it in resource.resource.attributes}
            if names.get("service.name") != "observed":
                faults.append(f"spans of {names}")
            for scope in resource.scope_spans:
                spans.extend(scope.spans)
        answer = trace_service_pb2.ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_):
        pass


def get(url, key=None):
    request = urllib.request.Request(url)
    if key:
        request.add_header("authorization", f"Bearer {key}")
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def ask(port, tls, number):
    """One request of a mixture: whole and streamed, repeated for the cache, refused, over TLS, without a right to."""
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 64,
        "temperature": 0,
        "stream": number % 2 == 0,
        "messages": [{"role": "user", "content": f"question {number % 7}"}],
    }
    data = b"{" if number % 11 == 0 else json.dumps(body).encode()
    place = f"https://127.0.0.1:{tls}" if number % 3 == 0 else f"http://127.0.0.1:{port}"
    request = urllib.request.Request(f"{place}/v1/messages", data)
    request.add_header("x-api-key", "a-wrong-one" if number % 13 == 0 else KEY)
    request.add_header("content-type", "application/json")
    request.add_header("anthropic-version", "2023-06-01")
    try:
        # Every now and then a client does not know who signed the certificate.
        context = None if number % 15 == 0 else ANYTHING
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            answer.read()
    except (urllib.error.HTTPError, OSError):
        pass


def until(what, check):
    end = time.monotonic() + PATIENCE
    while True:
        try:
            value = check()
            if value:
                return value
        except OSError:
            pass
        if end < time.monotonic():
            sys.exit(f"tests/observe: waited in vain for {what}")
        time.sleep(0.2)


def queries():
    """Every query of the dashboard, by the title of its panel."""
    board = json.loads((ROOT / "docker/grafana/pointsman.json").read_text())
    for panel in board["panels"]:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "15s")
            text = text.replace("$instance", ".*").replace("$provider", ".*")
            if "$" in text:
                faults.append(f"{panel['title']}: a variable that is not known here: {text}")
            yield panel["title"], text


def asked(prometheus, path, **query):
    url = f"http://127.0.0.1:{prometheus}/api/v1/{path}?{urllib.parse.urlencode(query)}"
    try:
        return json.loads(get(url))["data"]
    except urllib.error.HTTPError as error:
        return {"error": error.read().decode()}


def tells(data):
    values = [it["value"][1] for it in data.get("result", []) if "value" in it]
    return any(value not in ("NaN", "+Inf", "-Inf") for value in values)


def check_queries(prometheus):
    for title, text in queries():
        end = time.monotonic() + PATIENCE
        while True:
            data = asked(prometheus, "query", query=text)
            if tells(data):
                break
            if "error" in data or end < time.monotonic():
                faults.append(f"panel {title}: {text}\n  {data}")
                break
            time.sleep(1)


def check_rules(prometheus):
    def evaluated():
        groups = asked(prometheus, "rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        return rules if rules and all(it["health"] != "unknown" for it in rules) else None

    for rule in until("the rules", evaluated):
        if rule["health"] != "ok":
            faults.append(f"rule {rule['name']}: {rule.get('lastError')}")

    def is_told():
        alerts = asked(prometheus, "alerts")["alerts"]
        return any(
            it["labels"]["alertname"] == "PointsmanProviderDown" and it["labels"]["provider"] == "dead"
            for it in alerts
        )

    until("the alert about the provider that is down", is_told)


def check_traces():
    def one():
        traces = {}
        for span in list(spans):
            traces.setdefault(span.trace_id, []).append(span)
        for trace in traces.values():
            requests = [it for it in trace if it.kind == trace_pb2.Span.SPAN_KIND_SERVER]
            attempts = [it for it in trace if it.kind == trace_pb2.Span.SPAN_KIND_CLIENT]
            if len(requests) == 1 and 1 < len(attempts):
                return requests[0], sorted(attempts, key=lambda it: it.start_time_unix_nano)
        return None

    request, attempts = until("a trace with a failover", one)
    for attempt in attempts:
        inside = (
            request.start_time_unix_nano
            <= attempt.start_time_unix_nano
            <= attempt.end_time_unix_nano
            <= request.end_time_unix_nano
        )
        if attempt.parent_span_id != request.span_id or not inside:
            faults.append(f"an attempt outside its request: {attempt}\n{request}")
    said = {it.key: it.value for it in request.attributes}
    for name in ("gen_ai.request.model", "gen_ai.usage.output_tokens", "http.response.status_code"):
        if name not in said:
            faults.append(f"a request's span says nothing of {name}")
    if attempts[0].status.code != trace_pb2.Status.STATUS_CODE_ERROR:
        faults.append("the attempt that failed is none")
    if attempts[-1].status.code != trace_pb2.Status.STATUS_CODE_UNSET:
        faults.append("the attempt that served failed")


def check_metrics(admin):
    text = get(f"http://127.0.0.1:{admin}/metrics", ADMIN_KEY)
    linted = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
    if linted.returncode or linted.stdout or linted.stderr:
        faults.append("promtool check metrics: " + (linted.stdout + linted.stderr).decode())


def main():
    with tempfile.TemporaryDirectory() as place:
        place = pathlib.Path(place)
        running = []
        stop = threading.Event()

        def start(name, *command):
            (place / name).mkdir()
            log = open(place / f"{name}.log", "wb")
            child = subprocess.Popen(
                [str(it) for it in command],
                cwd=place / name,
                env={"PATH": os.environ["PATH"], "HOME": str(place / name)},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
            running.append(child)
            return child

        try:
            play(place, start, stop)
        finally:
            stop.set()
            for child in reversed(running):
                child.kill()
                child.wait()
            if faults or sys.exc_info()[0]:
                for log in sorted(place.glob("*.log")):
                    print(f"--- {log.name}", log.read_text(errors="replace")[-4000:], sep="\n")
    for fault in faults:
        print("tests/observe:", fault)
    sys.exit(1 if faults else 0)


def certificate(place):
    """A certificate that nobody knows."""
    command = "openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -days 30"
    names = ["-subj", "/CN=observed", "-addext", "subjectAltName=DNS:gateway.example,IP:127.0.0.1"]
    files = ["-keyout", place / "key.pem", "-out", place / "cert.pem"]
    subprocess.run([*command.split(), *names, *files], check=True, capture_output=True)


def play(place, start, stop):
    demo, gateway, tls, admin, prometheus, collector, nobody = (free_port() for _ in range(7))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", collector), Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # The demo, with its simulated providers, is the provider that serves; before it stands one that is dead.
    start("demo", PROGRAM, "--host", "127.0.0.1", "--port", demo)
    certificate(place)
    config = place / "config.yaml"
    config.write_text(
        f"""
providers:
  - {{name: dead, base_url: "http://127.0.0.1:{nobody}", auth_value: observe-dead-0123456789}}
  - {{name: demo, base_url: "http://127.0.0.1:{demo}", auth_value: observe-demo-0123456789}}
model_routes:
  "*": [{{provider: dead, priority: 1}}, {{provider: demo, priority: 2}}]
settings:
  host: 127.0.0.1
  port: {gateway}
  failure_cooldown: 2s
  cache: {{max_entries: 4, ttl: 2s}}
  tracing: {{endpoint: "http://127.0.0.1:{collector}", service_name: observed}}
listeners:
  - address: 127.0.0.1:{tls}
    tls: {{certificates: [{{cert: cert.pem, key: key.pem}}]}}
keys:
  - {{name: observer, team: tests, daily_usd: 100, sha256: {hashlib.sha256(KEY.encode()).hexdigest()}}}
admin: {{listen: "127.0.0.1:{admin}", key: {ADMIN_KEY}}}
"""
    )
    start("gateway", PROGRAM, "--config", config)
    until("the demo", lambda: get(f"http://127.0.0.1:{demo}/readyz"))
    until("the gateway", lambda: get(f"http://127.0.0.1:{gateway}/readyz"))

    key = place / "admin-key"
    key.write_text(ADMIN_KEY)
    written = (ROOT / "docker/prometheus/prometheus.yml").read_text()
    for old, new in [
        ("15s", "1s"),
        ("pointsman:9090", f"127.0.0.1:{admin}"),
        ("/run/secrets/admin_key", str(key)),
    ]:
        assert old in written, old
        written = written.replace(old, new)
    (place / "prometheus.yml").write_text(written)
    (place / "alerts.yml").write_text((ROOT / "docker/prometheus/alerts.yml").read_text())
    subprocess.run(["promtool", "check", "config", place / "prometheus.yml"], check=True)
    start(
        "prometheus",
        "prometheus",
        f"--config.file={place}/prometheus.yml",
        f"--storage.tsdb.path={place}/tsdb",
        f"--web.listen-address=127.0.0.1:{prometheus}",
    )
    until("Prometheus", lambda: get(f"http://127.0.0.1:{prometheus}/-/ready"))

    def load(number):
        while not stop.is_set():
            ask(gateway, tls, number)
            number += 4
            stop.wait(0.05)

    clients = [threading.Thread(target=load, args=(number,), daemon=True) for number in range(4)]
    for client in clients:
        client.start()
    check_traces()
    check_queries(prometheus)
    check_rules(prometheus)
    check_metrics(admin)
    stop.set()
    for client in clients:
        client.join()
    count = len(list(queries()))
    print(f"tests/observe: {count} queries tell something, {len(spans)} spans came, metrics and rules are sound")


main()
