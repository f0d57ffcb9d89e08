"""What every part of the client is."""

from uzina_client.transport import Transport


class Part:
    """One part of the portal: its methods speak through one transport."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
