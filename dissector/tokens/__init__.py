"""Decodes tokens of IEC 62055-41 (STS).

``decode("00000000000150997584")`` returns a :class:`Token`. Tokens of class 1 are in clear. Tokens of class 0 and 2
show only their class unless the user supplies keys (:class:`Keys`, :func:`load_keys`). :func:`recognise` tells tokens
from other values.
"""

from vtctap.dissector.tokens.decode import Token, decode
from vtctap.dissector.tokens.keys import KeyFileError, Keys, Meter, load_keys
from vtctap.dissector.tokens.number import TokenError
from vtctap.dissector.tokens.recognise import recognise

__all__ = ["KeyFileError", "Keys", "Meter", "Token", "TokenError", "decode", "load_keys", "recognise"]
