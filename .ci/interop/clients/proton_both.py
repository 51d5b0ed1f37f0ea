#!/usr/bin/env python3
"""Sends three messages to a node, receives three, and closes: proton_both.py URL. Leaves all else to Qpid Proton: what a server
ends, and what is wrong, is answered by the library. For `conformance --listen`."""

import sys
from urllib.parse import urlsplit

from proton import Message
from proton.handlers import MessagingHandler
from proton.reactor import Container

COUNT = 3


class Both(MessagingHandler):
    def __init__(self, url):
        super().__init__(prefetch=COUNT)
        self.url, self.sent, self.accepted, self.received = url, 0, 0, 0

    def on_start(self, event):
        connection = event.container.connect(f"{self.url.hostname}:{self.url.port}", reconnect=False)
        node = self.url.path.lstrip("/")
        event.container.create_sender(connection, node)
        event.container.create_receiver(connection, node)

    def on_sendable(self, event):
        while self.sent < COUNT and event.sender.credit:
            event.sender.send(Message(body=f"message {self.sent}"))
            self.sent += 1

    def on_accepted(self, event):
        self.accepted += 1
        self.look(event)

    def on_message(self, event):
        self.received += 1

    def on_settled(self, event):
        self.look(event)

    def look(self, event):
        if self.accepted == COUNT and self.received >= COUNT:
            event.connection.close()


Container(Both(urlsplit(sys.argv[1]))).run()
