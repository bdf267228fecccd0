"""Stand-ins hold no secret of the trace, in no form in which they are written."""

from vtctap.dissector.redaction.standins import StandIns


def test_the_stand_in_of_a_meter_number_gives_nothing_away_in_a_pan() -> None:
    """A PAN in hexadecimal holds the meter's stand-in as hexadecimal text, and cannot be drawn anew without it."""
    meter, key = b"01234567899", bytes(16)
    first = StandIns(key).text(meter)
    secret = first.hex().encode()[3:9]
    standins = StandIns(key)
    standins.forbidden = lambda text: secret in text
    other = standins.text(meter)
    assert other != first
    assert secret not in standins.text((b"600727" + meter + b"7").hex().encode())
    assert standins.text(b"600727" + meter + b"7")[6:17] == other
