"""The guest's image: a kernel with its serial drivers, busybox and udev, from Debian packages.

The packages are unpacked, not installed. :func:`make` makes the image once, in some seconds, in a folder:

  kernel, initrd.gz    what QEMU boots; the initrd loads the drivers and makes the host's root the guest's
  share/               /mnt in the guest: busybox, udevadm and udev's rules; traces and logs are written there
"""

import gzip
import lzma
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PACKAGES = ("busybox-static", "udev", "kmod", "libkmod2")
MODULES = (
    *("virtio_pci", "virtio_console", "9pnet_virtio", "9p", "overlay"),
    *("vhci-hcd", "ftdi_sio", "cp210x", "ch341", "cdc-acm"),
)
"""The modules, in the order of loading, each after those that it needs; Debian's kernel has the driver of 8250s."""
OWN = ("dev", "mnt", "proc", "run", "sys", "tmp")
"""Folders of the guest that are not the host's (guest/init)."""
RULES = ("50-udev-default.rules", "60-serial.rules")


class Missing(Exception):
    """Something that the image is made of is not available; the message says why."""


def make(folder: Path) -> None:
    """Makes the image in ``folder`` unless it exists. Raises Missing."""
    for path in (folder.resolve(), Path(sys.prefix).resolve()):
        if path.parts[1] in OWN:
            raise Missing(f"{path} is in /{path.parts[1]}, and the guest has its own: clone vtctap elsewhere")
    ready = folder / "ready"
    if ready.exists():
        return
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "share").mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder) as name:
        unpacked = Path(name)
        kernel = _kernel()
        _unpack([kernel, *PACKAGES], unpacked)
        _initrd(unpacked, kernel.removeprefix("linux-image-"), folder)
        _share(unpacked, folder / "share")
    ready.write_text(f"{kernel}\n")


def _run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    if done.returncode:
        raise Missing(f"{' '.join(map(str, command[:2]))}: {done.stderr.strip()}; 'apt-get update' may help")
    return str(done.stdout)


def _kernel() -> str:
    """Returns the name of the newest kernel's package."""
    for line in _run("apt-cache", "depends", "linux-image-amd64").splitlines():
        if line.strip().startswith("Depends: linux-image-"):
            return line.split()[-1]
    raise Missing("apt knows no linux-image-amd64")


def _unpack(packages: list[str], folder: Path) -> None:
    downloads = folder / "packages"
    downloads.mkdir()
    options = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    _run("apt-get", *options, "download", *packages, cwd=downloads)
    for package in downloads.iterdir():
        _run("dpkg-deb", "-x", package, folder)


def _find(folder: Path, name: str) -> Path:
    found = next(filter(Path.is_file, folder.rglob(name)), None)
    if found is None:
        raise Missing(f"the packages hold no {name}")
    return found


def _initrd(unpacked: Path, version: str, folder: Path) -> None:
    (folder / "kernel").write_bytes(_unpacked_kernel(_find(unpacked / "boot", "vmlinuz-*").read_bytes()))
    root = unpacked / "initrd"
    for name in ("bin", "modules", "proc", "sys", "dev", "lower", "rw", "new"):
        (root / name).mkdir(parents=True)
    busybox = _find(unpacked, "bin/busybox")
    shutil.copy(busybox, root / "bin/busybox")
    (root / "bin/sh").symlink_to("busybox")
    shutil.copy(HERE / "guest/init", root / "init")
    (root / "init").chmod(0o755)
    (root / "order").write_text("".join(f"{name}\n" for name in _modules(unpacked, version, root / "modules")))
    names = "\n".join(str(path.relative_to(root)) for path in sorted(root.rglob("*")))
    packed = subprocess.run(
        [busybox, "cpio", "-o", "-H", "newc"], cwd=root, input=names.encode(), capture_output=True, check=True
    )
    (folder / "initrd.gz").write_bytes(gzip.compress(packed.stdout, 1))


def _unpacked_kernel(kernel: bytes) -> bytes:
    """Unpacks a kernel that is compressed with XZ, since it would take seconds to unpack itself in an emulated machine;
    any other kernel is returned unchanged."""
    begin = kernel.find(b"\xfd7zXZ\0")
    return lzma.LZMADecompressor().decompress(kernel[begin:]) if begin >= 0 else kernel


def _modules(unpacked: Path, version: str, target: Path) -> list[str]:
    """Copies the modules; returns their names in the order of loading."""
    depmod = unpacked / "depmod"
    depmod.symlink_to(_find(unpacked, "bin/kmod"))
    libraries = _find(unpacked, "libkmod.so.2").parent
    _run(depmod, "-b", unpacked, version, env={**os.environ, "LD_LIBRARY_PATH": str(libraries)})
    folder = unpacked / "lib/modules" / version
    needs = dict(line.split(":") for line in (folder / "modules.dep").read_text().splitlines())
    order: list[str] = []
    for module in MODULES:
        file = next((file for file in needs if Path(file).name.split(".")[0] == module), None)
        for path in [*reversed(needs[file].split()), file] if file else []:  # Without a file it is in the kernel.
            name = Path(path).name.removesuffix(".xz")
            if name not in order:
                octets = (folder / path).read_bytes()
                (target / name).write_bytes(lzma.decompress(octets) if path.endswith(".xz") else octets)
                order.append(name)
    return order


def _share(unpacked: Path, share: Path) -> None:
    for name in ("bin/busybox", "bin/udevadm", "libkmod.so.2"):
        shutil.copy(_find(unpacked, name), share / Path(name).name)
    (share / "rules").mkdir()
    for name in RULES:
        shutil.copy(_find(unpacked, name), share / "rules" / name)
