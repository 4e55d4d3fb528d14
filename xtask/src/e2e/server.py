"""Runs Kinto on loopback until its standard input ends: server.py HERE PORT [NAME=VALUE ...].

HERE is a folder of this one server: it holds chains/ and gets attachments/, which are served beside Kinto. PORT may be
0. Each NAME=VALUE is one more setting of Kinto. Prints "ready PORT" once it answers.
"""

import configparser
import logging
import os
import pathlib
import socket
import sys
import threading

import kinto
import waitress

FILES = ("/attachments/", "/chains/")


def settings(here, origin, more):
    ini = configparser.RawConfigParser(delimiters=("=",))
    ini.read(pathlib.Path(__file__).with_name("kinto.ini"))
    read = dict(ini["kinto"], http_scheme="http", http_host=origin.removeprefix("http://"))
    read.update(setting.split("=", 1) for setting in more)
    return {f"kinto.{name}": value.replace("HERE", str(here)).replace("ORIGIN", origin) for name, value in read.items()}


def with_files(here, app):
    """Serves the files of HERE, as the storage beside a production server does."""

    def serve(environ, start):
        path = environ["PATH_INFO"]
        if not path.startswith(FILES):
            return app(environ, start)
        file = (here / path.lstrip("/")).resolve()
        if here not in file.parents or not file.is_file():
            start("404 Not Found", [("Content-Type", "text/plain")])
            return [b"no such file"]
        body = file.read_bytes()
        start("200 OK", [("Content-Type", "binary/octet-stream"), ("Content-Length", str(len(body)))])
        return [body]

    return serve


def main():
    here, port, *more = sys.argv[1:]
    here = pathlib.Path(here).resolve()
    logging.basicConfig(level=logging.WARNING)
    listener = socket.socket()
    # A restarted server takes the port of the one before it.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(port)))
    port = listener.getsockname()[1]
    app = kinto.main({}, **settings(here, f"http://127.0.0.1:{port}", more))
    server = waitress.create_server(with_files(here, app), sockets=[listener], threads=4)

    def end():
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=end, daemon=True).start()
    print("ready", port, flush=True)
    server.run()


main()
