"""The picture of the message in ipc/messages.py against the C struct, the enumerations and the text of message.pxd."""

import enum
import re
from pathlib import Path

import pytest

import ipc
from ipc import layout, messages

TEXT = (Path(ipc.__file__).parent / "message.pxd").read_text()
ENUMERATIONS = {
    name: dict(re.findall(r"^    (\w+) = (\d+)$", body, re.MULTILINE))
    for name, body in re.findall(r"^cdef enum:  # (\w+)\n((?:    .+\n)+)", TEXT, re.MULTILINE)
}
PICTURE = {
    "sequence": (0, 8),
    "event_time_ns": (8, 8),
    "receive_time_ns": (16, 8),
    "instrument": (24, 4),
    "kind": (28, 1),
    "side": (29, 1),
    "flags": (30, 2),
    "price_ticks": (32, 8),
    "quantity_lots": (40, 8),
    "order_id": (48, 8),
    "extra": (56, 8),
}


def prefix(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).upper() + "_"


def test_message_lies_as_the_picture_shows() -> None:
    assert layout.MESSAGE_FIELDS == PICTURE
    assert {name: (offset, kind.itemsize) for name, (kind, offset) in messages.MESSAGE.fields.items()} == PICTURE


@pytest.mark.parametrize(
    "dtype", [messages.MESSAGE, messages.ORDER_DETAIL, messages.REPORT_DETAIL, messages.VECTOR_DETAIL]
)
def test_every_record_is_one_cache_line_with_the_same_header(dtype: object) -> None:
    assert dtype.itemsize == 64
    header = ["sequence", "event_time_ns", "receive_time_ns", "instrument", "kind", "flags"]
    assert [dtype.fields[name][1] for name in header] == [messages.MESSAGE.fields[name][1] for name in header]


@pytest.mark.parametrize("name", sorted(ENUMERATIONS))
def test_enumeration_of_the_pxd_equals_that_of_messages(name: str) -> None:
    written = {key.removeprefix(prefix(name)): int(value) for key, value in ENUMERATIONS[name].items()}
    assert written == {member.name: int(member) for member in getattr(messages, name)}
    assert written == layout.ENUMERATORS[name]


def test_every_enumeration_of_messages_is_in_the_pxd() -> None:
    public = {name for name, value in vars(messages).items() if isinstance(value, enum.EnumType)}
    assert public - {"IntEnum", "IntFlag"} == set(ENUMERATIONS) == set(layout.ENUMERATORS)


def test_import_is_refused_when_a_value_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "Side", enum.IntEnum("Side", {"NONE": 0, "BID": 2, "ASK": 1}))
    with pytest.raises(ImportError, match="Side differs"):
        layout.verify()


def test_import_is_refused_when_a_field_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(messages, "MESSAGE", messages.ORDER_DETAIL)
    with pytest.raises(ImportError, match="Message differs"):
        layout.verify()


def test_kinds_fit_one_mask_of_64_bits() -> None:
    assert max(messages.Kind) < 64
