"""Keys come from a file or the environment, and no error, text or repr shows them."""

import json
from pathlib import Path

import pytest

from engine.errors import UserError
from engine.exchange.credentials import make_credentials
from engine.gateway.connection import signature_payload
from engine.gateway.credentials import load

# Binance's published example (web-socket-api.md, "SIGNED request example (HMAC)"): no real key
API_KEY = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
REQUEST = {
    "symbol": "BTCUSDT",
    "side": "SELL",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01000000",
    "price": "52000.00",
    "newOrderRespType": "ACK",
    "recvWindow": 100,
    "timestamp": 1645423376532,
    "apiKey": API_KEY,
}


def test_hmac_signature_is_binances_own_example() -> None:
    key = load(environment={"BOT4_API_KEY": API_KEY, "BOT4_API_SECRET": SECRET})
    assert key.sign(signature_payload(REQUEST)) == "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a"
    assert not key.session_logon


def test_missing_keys_are_named_and_what_to_do_is_said() -> None:
    with pytest.raises(UserError, match=r"BOT4_API_SECRET missing.*credential_file"):
        load(environment={"BOT4_API_KEY": API_KEY})


def test_key_in_the_environment_may_be_an_ed25519_key(tmp_path: Path) -> None:
    values = json.loads(make_credentials(tmp_path)[1].read_text())
    key = load(environment={"BOT4_API_KEY": values["api_key"], "BOT4_API_SECRET": values["ed25519_private_pem"]})
    assert key.session_logon


def test_file_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = make_credentials(tmp_path)[1]
    path.chmod(0o644)
    with pytest.raises(UserError, match="chmod 600"):
        load(str(path))


@pytest.mark.parametrize("text", ["{", '{"api_key": "SECRETKEY"}', '{"api_key": "a", "hmac_secret": 5}'])
def test_file_that_is_none_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key.json"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(UserError) as error:
        load(str(path))
    assert "SECRETKEY" not in str(error.value)


def test_private_key_that_cannot_be_read_is_not_shown() -> None:
    pem = "-----BEGIN PRIVATE KEY-----\nSECRETSECRET\n-----END PRIVATE KEY-----\n"
    with pytest.raises(UserError, match="must be Ed25519") as error:
        load(environment={"BOT4_API_KEY": "k", "BOT4_API_SECRET": pem})
    assert "SECRETSECRET" not in str(error.value)


def test_credentials_do_not_show_themselves() -> None:
    key = load(environment={"BOT4_API_KEY": API_KEY, "BOT4_API_SECRET": SECRET})
    assert SECRET not in repr(key)
    assert SECRET not in str(vars(key))
