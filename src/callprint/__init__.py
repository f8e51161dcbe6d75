"""callprint: which VoIP application made each call leg, and which calls are spam."""

from callprint import machine_code

__version__ = "0.1.0"

machine_code.install()
