"""A conversation over mode E, encoded by Gurux, an independent implementation of DLMS.

:class:`Optical` is a client with a meter that has two objects for tokens. Gurux encodes the frames of both sides; the
test decides what the meter answers.
"""

from types import SimpleNamespace
from typing import Any

from gurux_dlms.enums import Authentication, Command, DataType, InterfaceType, Security
from gurux_dlms.GXByteBuffer import GXByteBuffer
from gurux_dlms.GXDLMS import GXDLMS
from gurux_dlms.GXDLMSLNParameters import GXDLMSLNParameters
from gurux_dlms.GXDLMSSettings import GXDLMSSettings
from gurux_dlms.GXReplyData import GXReplyData
from gurux_dlms.objects import GXDLMSData, GXDLMSTokenGateway
from gurux_dlms.secure import GXDLMSSecureClient

DATA, GATEWAY = "1.0.129.129.2.255", "0.0.19.40.0.255"
CLIENT, METER = 16, 1


class Optical:
    """A client on a meter's optical head. ``said`` holds the frames with their sender, C or S. With ``ciphered`` both
    sides encrypt."""

    def __init__(self, *, ciphered: bool = False) -> None:
        self.said: list[tuple[str, bytes]] = []
        self._client = GXDLMSSecureClient(True, CLIENT, METER, Authentication.NONE, None, InterfaceType.HDLC)
        self._meter = GXDLMSSettings(True, None)
        self._meter.interfaceType = InterfaceType.HDLC
        self._meter.clientAddress, self._meter.serverAddress = CLIENT, METER
        self.said.append(("C", bytes(self._client.snrmRequest())))
        self.said.append(("S", bytes(GXDLMS.getHdlcFrame(self._meter, Command.UA, None))))
        self._client.autoIncreaseInvokeID = True
        if ciphered:
            cipher = self._client.ciphering
            cipher.security = Security.AUTHENTICATION_ENCRYPTION
            cipher.systemTitle, cipher.blockCipherKey, cipher.authenticationKey = b"VTCTAP01", bytes(16), bytes(16)
            self._meter.cipher = cipher

    def write(self, value: bytes, result: int | None = 0, *, type: Any = DataType.OCTET_STRING) -> None:
        """Writes a value to the data object. The answer has ``result``; with None the meter does not answer."""
        data = GXDLMSData(DATA)
        data.value = value
        data.setDataType(2, type)
        self._ask(self._client.write(data, 2), Command.SET_RESPONSE, result)

    def enter(self, value: bytes, result: int | None = 0) -> None:
        """Calls the gateway's method that takes a token."""
        request = self._client.method(GXDLMSTokenGateway(GATEWAY), 1, value, DataType.OCTET_STRING)
        self._ask(request, Command.METHOD_RESPONSE, result)

    def poll(self, status: int) -> None:
        """Reads the gateway's token status."""
        gateway = GXDLMSTokenGateway(GATEWAY)
        gateway.statusCode, gateway.dataValue = status, "00000000"
        value = gateway.getValue(self._meter, SimpleNamespace(index=6))
        self._ask(self._client.read(gateway, 6), Command.GET_RESPONSE, 0, value)

    def _ask(self, requests: list[Any], answer: Any, result: int | None, value: Any = None) -> None:
        self.said += [("C", bytes(request)) for request in requests]
        if result is None:
            return
        invoke_id = self._client.settings.invokeId | 0xC0
        told = GXDLMSLNParameters(self._meter, invoke_id, answer, 1, None, value, result)
        for reply in GXDLMS.getLnMessages(told):
            self.said.append(("S", bytes(reply)))
            if not self._meter.cipher:
                self._client.getData(GXByteBuffer(reply), GXReplyData(), None)
