"""Runs one server program in a network of its own and relays a Unix socket to it.

For programs that can only listen on all interfaces, as Debian's `scepserver` does: inside a new network
namespace "all interfaces" is a loopback that nobody else can reach. Needs no root (a user namespace grants
the right), only a kernel that allows user namespaces. Started as a program of its own, because a namespace
is entered by a process:

    python private_network.py SOCKET PORT COMMAND ARGUMENT ...

Prints `ready` when the server answers, or `refused: why`. Ends the server, and itself, when standard input
ends, so that nothing stays behind however the starter ended. Uses the standard library only.
"""

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import sys

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
START_DEADLINE = 15.0  # seconds for the server to listen


def enter() -> None:
    """Move this process into a network namespace whose only interface is a loopback, and bring that up.

    Raises OSError where the kernel or its policy forbids it.
    """
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        answer = fcntl.ioctl(control, SIOCGIFFLAGS, struct.pack("16sH14x", b"lo", 0))
        flags = struct.unpack("16sH14x", answer)[1]
        fcntl.ioctl(control, SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | IFF_UP))


async def main(path: str, port: int, command: list[str]) -> int:
    """Start the server, relay until standard input ends or the server does, end the server."""
    quiet = asyncio.subprocess.DEVNULL
    server = await asyncio.create_subprocess_exec(*command, stdin=quiet, stdout=quiet, stderr=quiet)
    try:
        if not await _listening(port, server):
            print(f"refused: {command[0]} did not listen on port {port}", flush=True)
            return 1

        async def relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _relay(reader, writer, port)

        async with await asyncio.start_unix_server(relay, path):
            print("ready", flush=True)
            ended = asyncio.create_task(server.wait())
            stdin = asyncio.create_task(_end_of_stdin())
            await asyncio.wait({ended, stdin}, return_when=asyncio.FIRST_COMPLETED)
            stdin.cancel()
    finally:
        if server.returncode is None:
            server.kill()
        await server.wait()
    return 0


async def _listening(port: int, server: asyncio.subprocess.Process) -> bool:
    loop = asyncio.get_running_loop()
    until = loop.time() + START_DEADLINE
    while server.returncode is None and loop.time() < until:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.02)
    return False


async def _end_of_stdin() -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    try:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(_copy(reader, inner_writer), _copy(inner_reader, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    writer.close()


if __name__ == "__main__":
    try:
        enter()
    except OSError as refusal:
        print(f"refused: no private network on this machine ({refusal.strerror})", flush=True)
        sys.exit(1)
    sys.exit(asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])))
