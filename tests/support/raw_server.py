"""Servers that speak HTTP as badly as it can be spoken: bytes, resets, silence, drips."""

import contextlib
import socket
import struct
import threading
import time

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close with a reset


@contextlib.contextmanager
def listening(behave, context=None):
    """Listen; yield the address. `behave(connection, request)` gets what came up to the end of the head.

    With a `context` it speaks TLS, under the same http:// address: the test has its own for it.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    open_connections = []

    def talk(connection):
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, ValueError):
            stack.enter_context(connection)
            if context is not None:
                connection = stack.enter_context(context.wrap_socket(connection, server_side=True))
                open_connections.append(connection)
            request = b""
            while b"\r\n\r\n" not in request:
                request += connection.recv(65536) or b"\r\n\r\n"
            behave(connection, request)

    def accept():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                open_connections.append(connection)
                thread = threading.Thread(target=talk, args=(connection,), daemon=True)
                threads.append(thread)
                thread.start()

    threads = []
    acceptor = threading.Thread(target=accept, daemon=True)
    acceptor.start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    acceptor.join()
    for connection in open_connections:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
    for thread in threads:
        thread.join(5)


def answering(*pieces, pause=0.0):
    """Return a behaviour that sends these pieces, closes its side and hears the caller out."""

    def behave(connection, request):
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # a close with something unread would be a reset
            pass

    return behave


def reset(connection, request):
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)


def wait(connection, request):
    while connection.recv(65536):
        pass


def drip_head(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def drip_body(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def drip_chunks(connection, request):
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"1\r\nx\r\n")
        time.sleep(0.05)


def answer(status, body=b"", *headers):
    """Return a behaviour that sends one whole answer."""
    lines = [f"HTTP/1.1 {status} Word", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return answering("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
