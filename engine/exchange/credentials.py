"""Keys of the built-in exchange: who may trade on it, and files for both sides of a loopback session.

The exchange's file holds what a venue knows of a key: the public half, or the shared HMAC secret. The trader's file is
what `engine/gateway/credentials.py` reads. Both are mode 0600 and of this form:
    exchange: {"accounts": [{"account", "api_key", "ed25519_public_pem" | "hmac_secret"}]}
    trader:   {"api_key", "ed25519_private_pem" | "hmac_secret"}
"""

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from engine.errors import UserError


@dataclass(frozen=True)
class Key:
    """One API key as the exchange knows it."""

    account: str
    api_key: str
    public_key: Ed25519PublicKey | None
    hmac_secret: bytes

    def verify(self, payload: str, signature: str) -> bool:
        if self.public_key is None:
            expected = hmac.new(self.hmac_secret, payload.encode(), hashlib.sha256).hexdigest()
            return hmac.compare_digest(expected, signature.lower())
        try:
            self.public_key.verify(base64.b64decode(signature, validate=True), payload.encode())
        except (InvalidSignature, binascii.Error):
            return False
        return True


def read_keys(path: Path) -> dict[str, Key]:
    """Keys by api key. Raises UserError when the file is none of ours."""
    try:
        accounts = msgspec.json.decode(path.read_bytes())["accounts"]
        keys = [
            Key(
                account=entry["account"],
                api_key=entry["api_key"],
                public_key=_public_key(entry.get("ed25519_public_pem")),
                hmac_secret=entry.get("hmac_secret", "").encode(),
            )
            for entry in accounts
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: no credentials of the built-in exchange ({type(error).__name__})") from error
    return {key.api_key: key for key in keys}


def _public_key(pem: str | None) -> Ed25519PublicKey | None:
    if pem is None:
        return None
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def make_credentials(folder: Path, *, account: str = "bot4", kind: str = "ed25519") -> tuple[Path, Path]:
    """Makes one key and writes both files; returns (exchange's file, trader's file). kind: ed25519 or hmac."""
    api_key = secrets.token_hex(32)
    trader: dict[str, str] = {"api_key": api_key}
    entry: dict[str, str] = {"account": account, "api_key": api_key}
    if kind == "ed25519":
        private_key = Ed25519PrivateKey.generate()
        encoding = serialization.Encoding.PEM
        private = serialization.PrivateFormat.PKCS8
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        trader["ed25519_private_pem"] = private_key.private_bytes(
            encoding, private, serialization.NoEncryption()
        ).decode()
        entry["ed25519_public_pem"] = private_key.public_key().public_bytes(encoding, public).decode()
    else:
        trader["hmac_secret"] = entry["hmac_secret"] = secrets.token_hex(32)
    exchange_file, trader_file = folder / "exchange-keys.json", folder / "trader-key.json"
    _write_private(exchange_file, json.dumps({"accounts": [entry]}))
    _write_private(trader_file, json.dumps(trader))
    return exchange_file, trader_file


def _write_private(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
