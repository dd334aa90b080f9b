"""The trader's key: read from a file or the environment, used to sign, never shown.

* file (`gateway.credential_file`, or $BOT4_CREDENTIAL_FILE, for instance from systemd's LoadCredential): JSON with
  `api_key` and either `ed25519_private_pem` or `hmac_secret`;
* environment: $BOT4_API_KEY and $BOT4_API_SECRET (an HMAC secret, or an Ed25519 private key in PEM).
"""

import base64
import hashlib
import hmac
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from engine.errors import UserError

HOW = "set BOT4_API_KEY and BOT4_API_SECRET, or name a credential file in gateway.credential_file"


class Credentials:
    """An API key and its signature. `session_logon` says whether the venue lets this kind of key log a session on."""

    def __init__(self, api_key: str, sign: Callable[[str], str], session_logon: bool) -> None:
        self.api_key = api_key
        self.sign = sign
        self.session_logon = session_logon

    def __repr__(self) -> str:
        return "Credentials(***)"


def load(credential_file: str = "", environment: Mapping[str, str] = os.environ) -> Credentials:
    """The key of the file if one is named, else of the environment. Raises UserError, which holds no secret."""
    path = credential_file or environment.get("BOT4_CREDENTIAL_FILE", "")
    if path:
        return _from_file(Path(path))
    api_key, secret = environment.get("BOT4_API_KEY", ""), environment.get("BOT4_API_SECRET", "")
    if not api_key or not secret:
        missing = " and ".join(
            name for name, value in (("BOT4_API_KEY", api_key), ("BOT4_API_SECRET", secret)) if not value
        )
        raise UserError(f"no credentials: {missing} missing in the environment; {HOW}")
    return _credentials(api_key, secret, "BOT4_API_SECRET")


def _from_file(path: Path) -> Credentials:
    try:
        mode = path.stat().st_mode
        values = msgspec.json.decode(path.read_bytes(), type=dict[str, str])
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}; {HOW}") from None
    except msgspec.DecodeError:
        raise UserError(f"{path}: not a credential file (JSON with api_key and a secret); {HOW}") from None
    # systemd shows a credential mode 440: the group bit is the mask of an access list that names the service alone
    others = 0o007 if str(path.parent) == os.environ.get("CREDENTIALS_DIRECTORY") else 0o077
    if mode & others:
        raise UserError(f"{path}: others may read it; chmod 600 it")
    secret = values.get("ed25519_private_pem") or values.get("hmac_secret")
    if not values.get("api_key") or not secret:
        raise UserError(f"{path}: needs api_key and ed25519_private_pem or hmac_secret")
    return _credentials(values["api_key"], secret, str(path))


def _credentials(api_key: str, secret: str, where: str) -> Credentials:
    if "PRIVATE KEY" not in secret:
        key = secret.encode()
        return Credentials(api_key, lambda text: hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), False)
    try:
        private_key = load_pem_private_key(secret.encode(), None)
    except (ValueError, TypeError):
        raise UserError(f"{where}: the private key cannot be read; it must be Ed25519 in PEM, unencrypted") from None
    if not isinstance(private_key, Ed25519PrivateKey):
        raise UserError(f"{where}: the private key is not an Ed25519 key")
    return Credentials(api_key, lambda text: base64.b64encode(private_key.sign(text.encode())).decode(), True)
