"""Tokens of IEC 62055-41 (STS): what their 20 digits say.

``decode("00000000000150997584")`` gives a :class:`Token`. Class 1 is in clear. Of class 0 and 2 the class alone can be
read, unless the user hands over keys (:class:`Keys`, :func:`load_keys`). Tokens are told from other values by
:func:`recognise`.
"""

from vtctap.dissector.tokens.decode import Token, decode
from vtctap.dissector.tokens.keys import KeyFileError, Keys, Meter, load_keys
from vtctap.dissector.tokens.number import TokenError
from vtctap.dissector.tokens.recognise import recognise

__all__ = ["KeyFileError", "Keys", "Meter", "Token", "TokenError", "decode", "load_keys", "recognise"]
