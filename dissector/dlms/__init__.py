"""Tokens over mode E: DLMS in HDLC frames (IEC 62056-5-3), and the objects that take tokens.

Most STS meters take tokens on the same optical head by DLMS. :func:`decode` decodes the APDU of a frame with the
library dlms-cosem (extra ``dlms``); :mod:`~vtctap.dissector.dlms.objects` knows the objects that take a token or tell
its status; :class:`Requests` finds the object that an answer is about.

Not decoded: encrypted APDUs, APDUs in several HDLC frames, and requests in blocks or lists. Of the last, and of
services other than GET, SET and ACTION, only the name is shown.
"""

from vtctap.dissector.dlms.apdu import Apdu, Object, decode, missing
from vtctap.dissector.dlms.objects import TokenStatus, status_of, token_of
from vtctap.dissector.dlms.requests import Requests

__all__ = ["Apdu", "Object", "Requests", "TokenStatus", "decode", "missing", "status_of", "token_of"]
