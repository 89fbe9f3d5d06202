"""websockets: a socket for each task, opened again when the server closes it."""

import asyncio
import itertools

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode

import contract

MOVED = {CloseCode.GOING_AWAY, CloseCode.SERVICE_RESTART}


class Worker:
    """Sends messages one after the other on its own socket."""

    def __init__(self, args, opened):
        self._args = args
        self._opened = opened
        self._socket = None

    async def send(self, number):
        text = contract.message(self._args, number)
        socket = await self._send(text)
        if await socket.recv() != text:
            raise ValueError("another message than was sent")
        # Reuse the socket only after the response: a late one could be taken for that of the next message.
        self._socket = socket

    async def close(self):
        if self._socket is not None:
            await self._socket.close()

    async def _send(self, text):
        """Sends the text; returns the socket, which is a new one if the server has drained the last."""
        while True:
            socket, self._socket = self._socket, None
            if socket is None:
                socket = await connect(contract.url(self._args), proxy=None)
                next(self._opened)
            try:
                await socket.send(text)
                return socket
            except ConnectionClosed as closed:
                if closed.rcvd is None or closed.rcvd.code not in MOVED:
                    raise


async def main():
    args = contract.arguments("ws")
    tally = contract.Tally(args)
    opened = itertools.count()
    workers = [Worker(args, opened) for _ in range(args.concurrency)]
    await contract.in_tasks(args, tally, [worker.send for worker in workers])
    for worker in workers:
        await worker.close()
    tally.print(contract.version("websockets"), next(opened))


asyncio.run(main())
