"""An execution gateway: an intent on the message bus becomes an order at the exchange, and its fills come back.

Law of the house: imports look inward only, `services -> venues | runtime -> access -> ports | wire -> trading`.
This package file stays empty of code, so that a strategy which imports `ordergate.client` loads nothing else.
"""
