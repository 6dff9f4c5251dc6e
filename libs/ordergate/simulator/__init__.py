"""A venue made of code, in the Zetarium dialect and in both of Binance (`binance`).

The law of this room: the exchange thinks and nothing else. `exchange`, `market`, `book`, `accounts`, `flow`, `faults`, `limits`, `gate` and `signing` never
await, log, read a clock or draw from ambient randomness; time is an argument (integer milliseconds), randomness a seeded `random.Random`. Only
`connection`, `websocket` and `app` touch sockets and the wall clock. The room is written against the venues' documents and knows nothing of our own
access library or adapters: it must be able to catch their mistakes. Nothing in production imports it.
"""
