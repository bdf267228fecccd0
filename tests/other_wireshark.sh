#!/bin/sh
# Runs the tests that ask a Wireshark in a Debian of another release, with that release's Wireshark and Python:
#   tests/other_wireshark.sh [FOLDER] [PYTEST ARGUMENTS]     (default: .debian-trixie, Wireshark 4.4)
# Needs root, and debootstrap where the folder is not there yet. What is mounted is gone when it ends.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
root=${1:-$here/.debian-${SUITE:-trixie}}
[ $# -eq 0 ] || shift
[ "$(id -u)" = 0 ] || exec sudo --preserve-env=SUITE,MIRROR "$0" "$root" "$@"

if [ ! -e "$root/etc/debian_version" ]; then
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-venv,tshark,procps \
        "${SUITE:-trixie}" "$root" "${MIRROR:-http://deb.debian.org/debian}"
    cp /etc/resolv.conf "$root/etc/"
fi
mkdir -p "$root/vtctap"
# A file system of its own for the mounts: they end with the process, whatever ends it.
exec unshare --mount sh -eu -c '
    root=$1; here=$2; shift 2
    mount --rbind /proc "$root/proc"; mount --rbind /dev "$root/dev"; mount --bind "$here" "$root/vtctap"
    # Recordings that some tests read lie beside the repository, if at all.
    [ ! -d "$here/../shared" ] || { mkdir -p "$root/shared"; mount --bind "$here/../shared" "$root/shared"; }
    exec chroot "$root" env HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin PYTHONDONTWRITEBYTECODE=1 sh -eu -c "
        [ -x /venv/bin/pytest ] || {
            python3 -m venv /venv
            /venv/bin/pip install --quiet pyserial \"scapy>=2.7\" \"pytest>=8\" \"hypothesis>=6.100\"
        }
        tshark --version | head -n 1
        cd /vtctap
        # Only what asks a Wireshark; the other tests are the same everywhere.
        PYTHONPATH=/vtctap exec /venv/bin/python -m pytest -p no:cacheprovider \"\$@\"
    " sh "$@"
' sh "$root" "$here" "$@"
