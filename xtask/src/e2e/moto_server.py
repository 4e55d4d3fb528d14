"""Runs moto's S3 server on loopback until its standard input ends: moto_server.py PORT BUCKET.

Makes the bucket and prints "ready". Each line "stop" closes the port and all connections, each line "start" opens it
again with the same objects; both are answered with a line of their own.
"""

import logging
import os
import socket
import sys
import threading

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import ThreadedWSGIServer, WSGIRequestHandler


class Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        pass


class Server(ThreadedWSGIServer):
    """Knows its connections, so that stopping ends them as well."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.connections = set()

    def process_request(self, request, address):
        self.connections.add(request)
        super().process_request(request, address)

    def shutdown_request(self, request):
        self.connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request, address):
        pass

    def stop(self):
        self.shutdown()
        self.server_close()
        for connection in list(self.connections):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def one_at_a_time(app):
    """moto answers 500 now and then where several put the same object."""
    lock = threading.Lock()

    def serve(environ, start_response):
        with lock:
            return app(environ, start_response)

    return serve


def start(port, app):
    server = Server("127.0.0.1", port, app, Handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    return server


def main():
    port, bucket = int(sys.argv[1]), sys.argv[2]
    logging.disable(logging.WARNING)
    app = one_at_a_time(DomainDispatcherApplication(create_backend_app))
    server = start(port, app)
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket=bucket)
    print("ready", flush=True)
    for line in sys.stdin:
        if line.strip() == "stop":
            server.stop()
        else:
            server = start(port, app)
        print(line.strip(), flush=True)
    os._exit(0)


main()
