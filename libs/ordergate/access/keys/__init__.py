"""Keys of a venue: read from files or a secret store, shown to nobody, replaced without a gap.

Law of this room: secret text lives in objects that cannot be printed, copied or pickled, and no error quotes it. Which key signs is a fact of
`rotation`, decided by evidence: a signed read, what the venue says that the key may do, the last request on the wire.
Only `material` needs the package `cryptography`; whoever signs with HMAC alone never loads it.
"""

from ordergate.access.keys.files import read_key
from ordergate.access.keys.key import Key, make_key

__all__ = ["Key", "make_key", "read_key"]
