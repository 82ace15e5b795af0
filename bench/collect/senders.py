"""Senders of syslog over TLS, all connected at once: `senders.py PORT SENDERS MESSAGES`.

Each connects, waits until all others are connected too, and then sends its messages, one after another.
"""

import asyncio
import ssl
import sys

PORT, SENDERS, MESSAGES = (int(word) for word in sys.argv[1:4])
# How many handshakes are under way at once.
HANDSHAKES = 50


def message(sender: int, number: int) -> bytes:
    text = (
        f"<86>1 2026-11-20T08:00:{number % 60:02}.{sender % 1000:03}Z host{sender} sshd {number} - - "
        f"Accepted publickey for user{sender} from 203.0.113.{number % 250} port 4022 ssh2"
    ).encode()
    return str(len(text)).encode() + b" " + text


async def main() -> None:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    gate = asyncio.Semaphore(HANDSHAKES)
    all_connected = asyncio.Barrier(SENDERS) if hasattr(asyncio, "Barrier") else None

    async def sender(number: int) -> None:
        async with gate:
            _, writer = await asyncio.open_connection("127.0.0.1", PORT, ssl=context)
        if all_connected:
            await all_connected.wait()
        for count in range(MESSAGES):
            writer.write(message(number, count))
            await writer.drain()
        writer.close()
        await writer.wait_closed()

    await asyncio.gather(*(sender(number) for number in range(SENDERS)))


asyncio.run(main())
