"""Signs texts and verifies signatures with OpenSSH's ssh-keygen(1), so that vtctap needs no cryptography for it."""

import re
import subprocess
from base64 import b64decode
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from vtctap.command_line.outputs import refuse_existing, write_text
from vtctap.errors import CommandError

__all__ = ["is_signed", "refuse_unreadable", "sign"]

_NAMESPACE: Final = "vtctap"
"""The namespace of the signatures: a signature of this program is not valid for another one."""
_ARMOR: Final = re.compile(rb"-----BEGIN SSH SIGNATURE-----\s+([0-9A-Za-z+/=\s]+)-----END SSH SIGNATURE-----\s*")
_MAGIC: Final = b"SSHSIG"
"""The form of a signature, and how its octets begin (OpenSSH, PROTOCOL.sshsig)."""


def sign(text: str, key: str, name: str, *, force: bool) -> None:
    """Writes the signature of a text with the private key in the file ``key`` to the file ``name``.

    ssh-keygen asks for the key's passphrase, or uses the agent. Raises CommandError with its message.
    """
    refuse_existing(name, force=force)
    done = _ssh_keygen(["sign", "-f", key], text)
    if done.returncode:
        raise CommandError(f"ssh-keygen cannot sign with {key}: {_last_line(done)}")
    write_text(name, done.stdout, force=force)


def refuse_unreadable(signature: str, signers: str) -> None:
    """Raises an error for files that ssh-keygen would report as a wrong signer: OSError for one that cannot be opened,
    CommandError for a ``signature`` that is none."""
    open(signers, "rb").close()
    armor = _ARMOR.fullmatch(Path(signature).read_bytes())
    try:
        is_signature = armor is not None and b64decode(armor[1]).startswith(_MAGIC)
    except ValueError:
        is_signature = False
    if not is_signature:
        raise CommandError(f"{signature} is no SSH signature: name the file that 'vtctap verify --sign' wrote")


def is_signed(text: str, signature: str, signers: str) -> tuple[bool, str]:
    """Returns whether the file ``signature`` holds a signature of the text by one of the keys that the file ``signers``
    lists, and ssh-keygen's message."""
    found = _ssh_keygen(["find-principals", "-s", signature, "-f", signers], "")
    if found.returncode:
        return False, f"by no key in {signers}: {_last_line(found)}"
    signer = found.stdout.splitlines()[0]
    done = _ssh_keygen(["verify", "-s", signature, "-f", signers, "-I", signer], text)
    return not done.returncode, _last_line(done)


def _ssh_keygen(words: Sequence[str], text: str) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", *words, "-n", _NAMESPACE], input=text, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise CommandError("signatures need ssh-keygen: install OpenSSH (Debian: openssh-client)") from None


def _last_line(done: "subprocess.CompletedProcess[str]") -> str:
    lines = (done.stdout + done.stderr).strip().splitlines()
    return lines[-1] if lines else f"exit status {done.returncode}"
