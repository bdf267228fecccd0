#!/bin/sh
# Runs a command in a Debian of another release, which lives in a folder and has what a bare machine has, and git and make:
#   tests/debian.sh RELEASE FOLDER COMMAND [ARGUMENTS]
# Packages come from where this machine has its own. Needs root, and debootstrap where the folder is not there yet. The
# repository is mounted as /vtctap, where the command begins. What is mounted is gone when it ends.
set -eu
here=$(cd "$(dirname "$0")/.." && pwd)
[ "$(id -u)" = 0 ] || exec sudo "$here/tests/debian.sh" "$@"
release=$1 root=$2
shift 2

if [ ! -e "$root/ready" ]; then
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Label: Debian' | head -n 1)
    # The script of sid serves for releases that debootstrap was not told of.
    script=/usr/share/debootstrap/scripts/$release
    [ -e "$script" ] || script=/usr/share/debootstrap/scripts/sid
    debootstrap --variant=minbase --include=ca-certificates,python3,git,make,procps \
        "$release" "$root" ${mirror:+"$mirror"} "$script"
    apt-config dump | grep -E '^Acquire::(Check|https?::)' > "$root/etc/apt/apt.conf.d/90machine" || true
    mkdir -p "$root/vtctap"
    touch "$root/ready"
fi
for file in /etc/resolv.conf /etc/hosts /etc/pip.conf; do
    [ ! -e $file ] || cp --remove-destination --dereference $file "$root$file"
done
# A file system of its own for the mounts: they end with the process, whatever ends it.
exec unshare --mount sh -eu -c '
    root=$1 here=$2; shift 2
    mount -t proc proc "$root/proc"; mount --rbind /dev "$root/dev"; mount --bind "$here" "$root/vtctap"
    # This machine may trust more authorities than a new one.
    mount --bind /etc/ssl/certs "$root/etc/ssl/certs"
    # Recordings that some tests read lie beside the repository, if at all.
    [ ! -d "$here/../shared" ] || { mkdir -p "$root/shared"; mount --bind "$here/../shared" "$root/shared"; }
    exec env --ignore-environment HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive \
        chroot "$root" sh -eu -c "cd /vtctap; exec \"\$@\"" sh "$@"
' sh "$root" "$here" "$@"
