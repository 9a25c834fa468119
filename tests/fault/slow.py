#!/usr/bin/env python3
"""slow.py PORT: a relay to that port of this machine through which everything takes 300 ms each way, and
comes in pieces of 20 bytes.  Prints its own port."""
import asyncio, sys


async def carry(reader, writer):
    while data := await reader.read(65536):
        await asyncio.sleep(0.3)
        for at in range(0, len(data), 20):
            writer.write(data[at : at + 20])
            await writer.drain()
    writer.close()


async def relay(reader, writer):
    there, back = await asyncio.open_connection("127.0.0.1", int(sys.argv[1]))
    await asyncio.gather(carry(reader, back), carry(there, writer), return_exceptions=True)


async def main():
    server = await asyncio.start_server(relay, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
