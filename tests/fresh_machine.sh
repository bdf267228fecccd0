#!/bin/sh
# Plays a stranger on a bare Debian: one who has sudo, clones what is committed here, and gives the README's two commands.
#   tests/fresh_machine.sh RELEASE
set -eu
cd "$(dirname "$0")/.."
folder=.debian-fresh
if [ "$(id -u)" = 0 ]; then rm -rf --one-file-system $folder; else sudo rm -rf --one-file-system $folder; fi
mkdir -p build
git bundle create --quiet build/vtctap.bundle HEAD
exec tests/debian.sh "$1" $folder sh -euc '
    apt-get -qq update
    apt-get -qq -y install --no-install-recommends sudo >/dev/null 2>&1
    useradd --create-home --shell /bin/bash stranger
    echo "stranger ALL=(ALL) NOPASSWD:ALL" > /etc/sudoers.d/stranger
    sudo --login --user stranger git clone --quiet /vtctap/build/vtctap.bundle vtctap
    umount /vtctap
    exec sudo --login --user stranger make -C vtctap demo test
'
