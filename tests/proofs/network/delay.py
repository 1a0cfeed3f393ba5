"""Carry packets between two TUN devices, each delayed by SECONDS; not every kernel has netem.

    python delay.py SECONDS

Both devices are made in the namespace this runs in; one of them is then moved to another, and stays connected.
"""

import asyncio
import fcntl
import os
import struct
import sys

DEVICES = ("tunclient", "tunrouter")
_TUNSETIFF = 0x400454CA
_TUN_WITHOUT_HEADER = 0x0001 | 0x1000
_PACKET = 65536


def open_tunnel(name: str) -> int:
    """A file descriptor, on which each read or write is one packet of this device."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(descriptor, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_WITHOUT_HEADER))
    return descriptor


def carry(source: int, target: int, seconds: float) -> None:
    """Read all packets that wait at `source`, and write each to `target` in `seconds`."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            packet = os.read(source, _PACKET)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:  # the device is not up yet
            return
        loop.call_later(seconds, deliver, target, packet)


def deliver(target: int, packet: bytes) -> None:
    """Write a packet; a full or missing device loses it, as a network would."""
    try:
        os.write(target, packet)
    except OSError:
        return


async def main(seconds: float) -> None:
    first, second = (open_tunnel(name) for name in DEVICES)
    loop = asyncio.get_running_loop()
    loop.add_reader(first, carry, first, second, seconds)
    loop.add_reader(second, carry, second, first, seconds)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1])))
