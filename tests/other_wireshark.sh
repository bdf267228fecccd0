#!/bin/sh
# Runs tests with the Wireshark and the Python of the Debian that it runs in, as root (tests/debian.sh):
#   tests/other_wireshark.sh [PYTEST ARGUMENTS]
# Only what asks a Wireshark, Scapy or pyshark is worth it; the other tests are the same everywhere.
set -eu
[ -x /venv/bin/pytest ] || {
    apt-get -qq update
    apt-get -qq -y install --no-install-recommends python3-venv tshark lua5.2 lua5.4 >/dev/null
    python3 -m venv /venv
    /venv/bin/pip install --quiet pyserial 'scapy>=2.7' 'pyshark>=0.6' 'dlms-cosem>=25.1,<26' 'gurux-dlms==1.0.203' build 'pytest>=8' 'hypothesis>=6.100'
}
tshark --version | head -n 1
export PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/vtctap
exec /venv/bin/python -m pytest -p no:cacheprovider "$@"
