"""QUIC peers of aioquic, which print what they did as JSON.

peer.py server HOST PORT CERTIFICATE KEY [--retry] [--http]
    Says `ready`, answers with as many bytes as it is asked for until its standard input ends; with
    --http it answers every request of HTTP/3 with a page.
peer.py client HOST PORT CERTIFICATE [--version N] [--bytes N] [--zero-rtt] [--move HOST]
    Asks for so many bytes. With --zero-rtt it does so twice, the second time in its first datagram;
    with --move it goes on from another port of that address of its own in between.

Both keep what they send for --delay SECONDS before it goes out.
"""

import argparse
import asyncio
import functools
import json
import socket
import ssl
import sys

from aioquic.asyncio import connect, serve
from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, H3Connection
from aioquic.h3.events import HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.packet import QuicProtocolVersion

ALPN = "netweir-test"
NAME = "quic.netweir.test"
VERSIONS = {1: QuicProtocolVersion.VERSION_1, 2: QuicProtocolVersion.VERSION_2}


class Counting:
    """A transport that counts what is sent through it, and keeps it for a while."""

    def __init__(self, transport, counts, delay):
        self._transport = transport
        self._counts = counts
        self._delay = delay
        self._loop = asyncio.get_running_loop()

    def sendto(self, data, address=None):
        if self._delay:
            self._loop.call_later(self._delay, self._send, data, address)
        else:
            self._send(data, address)

    def _send(self, data, address):
        # What comes after the end is not sent, nor counted.
        if not self._transport.is_closing():
            self._counts["sent"] += 1
            self._counts["sent_bytes"] += len(data)
            self._transport.sendto(data, address)

    def __getattr__(self, name):
        return getattr(self._transport, name)


def counts():
    return {"sent": 0, "sent_bytes": 0, "received": 0}


async def answer(reader, writer):
    wanted = int(await reader.read())
    writer.write(bytes(wanted))
    writer.write_eof()


class Pages(QuicConnectionProtocol):
    """A server of HTTP/3 with one page."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self._http = H3Connection(self._quic)

    def quic_event_received(self, event):
        for event in self._http.handle_event(event):
            if isinstance(event, HeadersReceived):
                headers = [(b":status", b"200"), (b"content-type", b"text/html")]
                self._http.send_headers(event.stream_id, headers)
                self._http.send_data(event.stream_id, b"<p>the page of netweir", True)
        self.transmit()


async def run_server(arguments):
    configuration = QuicConfiguration(
        is_client=False,
        alpn_protocols=H3_ALPN if arguments.http else [ALPN],
        supported_versions=list(VERSIONS.values()),
    )
    configuration.load_cert_chain(arguments.certificate, arguments.key)
    tickets = {}
    server = await serve(
        arguments.host,
        arguments.port,
        configuration=configuration,
        create_protocol=Pages if arguments.http else QuicConnectionProtocol,
        retry=arguments.retry,
        session_ticket_fetcher=lambda label: tickets.pop(label, None),
        session_ticket_handler=lambda ticket: tickets.update({ticket.ticket: ticket}),
        stream_handler=lambda reader, writer: asyncio.ensure_future(answer(reader, writer)),
    )
    counted = counts()
    server._transport = Counting(server._transport, counted, arguments.delay)
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    print(json.dumps(counted), flush=True)


class Client(QuicConnectionProtocol):
    """A client that counts, over all the sockets that it has had."""

    def __init__(self, *arguments, delay, **named):
        super().__init__(*arguments, **named)
        self.counts = counts()
        self.ports = []
        self._delay = delay

    def connection_made(self, transport):
        self.ports.append(transport.get_extra_info("sockname")[1])
        super().connection_made(Counting(transport, self.counts, self._delay))

    def datagram_received(self, data, address):
        self.counts["received"] += 1
        super().datagram_received(data, address)

    async def ask(self, wanted):
        reader, writer = await self.create_stream()
        writer.write(str(wanted).encode())
        writer.write_eof()
        came = len(await reader.read())
        assert came == wanted, f"{came} of {wanted} bytes came"

    async def move(self, host):
        """Goes on from another port of this address, as behind a NAT that forgot the old one."""
        # As aioquic's own: for both IP versions.
        own = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        own.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        own.bind(("::ffff:" + host, 0))
        # Not closed: that would end the protocol.
        self.old = self._transport
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, sock=own)

    def told(self):
        return {
            **self.counts,
            "ports": self.ports,
            "min_rtt": self._quic._loss._rtt_min,
            "version": self._quic._version,
            "early_data": self._quic.tls.early_data_accepted,
        }


async def run_client(arguments):
    configuration = QuicConfiguration(
        is_client=True,
        alpn_protocols=[ALPN],
        server_name=NAME,
        original_version=VERSIONS[arguments.version],
        supported_versions=[VERSIONS[arguments.version]],
        verify_mode=ssl.CERT_REQUIRED,
    )
    configuration.load_verify_locations(arguments.certificate)
    told = []
    for early in [False, True] if arguments.zero_rtt else [False]:
        tickets = []
        async with connect(
            arguments.host,
            arguments.port,
            configuration=configuration,
            create_protocol=functools.partial(Client, delay=arguments.delay),
            session_ticket_handler=tickets.append,
            wait_connected=not early,
        ) as client:
            await client.ask(arguments.bytes)
            if arguments.move:
                await client.move(arguments.move)
                await client.ask(arguments.bytes)
            while arguments.zero_rtt and not early and not tickets:
                await asyncio.sleep(0.01)
        await client.wait_closed()
        told.append(client.told())
        configuration.session_ticket = tickets[0] if tickets else None
    print(json.dumps(told), flush=True)


def main():
    parser = argparse.ArgumentParser()
    sides = parser.add_subparsers(required=True)
    for name, run in [("server", run_server), ("client", run_client)]:
        side = sides.add_parser(name)
        side.add_argument("host")
        side.add_argument("port", type=int)
        side.add_argument("certificate")
        side.add_argument("--delay", type=float, default=0)
        side.set_defaults(run=run)
        if name == "server":
            side.add_argument("key")
            side.add_argument("--retry", action="store_true")
            side.add_argument("--http", action="store_true")
        else:
            side.add_argument("--version", type=int, default=1)
            side.add_argument("--bytes", type=int, default=1_000_000)
            side.add_argument("--zero-rtt", action="store_true")
            side.add_argument("--move")
    arguments = parser.parse_args()
    asyncio.run(arguments.run(arguments))


main()
