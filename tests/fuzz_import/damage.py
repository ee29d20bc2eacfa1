"""Random damage: bytes of the file, or fields of the protobuf, changed without regard to what they mean."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random
from typing import Any

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message
from onnx import ModelProto

INTEGERS = (0, 1, -1, 2, 3, 5, 7, 16, 255, 2**31 - 1, -(2**31), 2**31, 2**40, 2**62, 2**63 - 1, -(2**63), -2, 4)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-38, 3e38, -3e38, float("nan"), float("inf"), -float("inf"), 1e-45)
TEXTS = ("", " ", "x" * 5000, "ß…🧠", "a\nb", "a'b\"c", "../up", "/etc/passwd", "Relu", "Conv", "Loop", "If",
         "Identity",
         "Constant", "Reshape", "Shape", "ai.onnx", "com.microsoft", "%x", "@w", "{}", "NaN", "axis", "pads",
         "\\", "\x01", "\u202eabc", "x.y.z", "kernel_shape", "SAME_UPPER", "VALID")  # fmt: skip
_WIDE = (Field.CPPTYPE_INT64, Field.CPPTYPE_INT32, Field.CPPTYPE_UINT64, Field.CPPTYPE_UINT32)


def change_bytes(content: bytes, rng: Random) -> bytes:
    """Truncated, bits flipped, bytes written, inserted, removed, or a part repeated."""
    kind, data = rng.randrange(6), bytearray(content)
    place, length = rng.randrange(len(data)), rng.randrange(1, 40)
    if kind == 0:
        return content[: rng.randrange(1, len(data))]
    if kind == 1:
        for _ in range(rng.choice((1, 1, 4, 32))):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        for _ in range(rng.choice((1, 3, 16))):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 2, 8, 127, 128, 255, rng.randrange(256)))
    elif kind == 3:
        data[place:place] = rng.randbytes(length)
    elif kind == 4:
        del data[place : place + length]
    else:
        data[place:place] = data[place : place + length]
    return bytes(data)


def _messages(message: Message) -> Iterator[Message]:
    """The message and all messages in it."""
    yield message
    for field, value in message.ListFields():
        if field.type == Field.TYPE_MESSAGE:
            for inner in value if field.is_repeated else (value,):
                yield from _messages(inner)


def _scalar(field: Any, rng: Random, texts: list[str]) -> Any:
    """Some value of the field's type, often one that the type cannot be trusted with."""
    kind = field.cpp_type
    if kind in _WIDE:
        bits = 31 if kind in (Field.CPPTYPE_INT32, Field.CPPTYPE_UINT32) else 63
        low = 0 if kind in (Field.CPPTYPE_UINT32, Field.CPPTYPE_UINT64) else -(1 << bits)
        return max(low, min((1 << bits) - 1, rng.choice(INTEGERS)))
    if kind in (Field.CPPTYPE_FLOAT, Field.CPPTYPE_DOUBLE):
        return rng.choice(FLOATS)
    if kind == Field.CPPTYPE_BOOL:
        return rng.random() < 0.5
    if kind == Field.CPPTYPE_ENUM:
        return rng.choice(list(field.enum_type.values_by_number))
    text = rng.choice(texts if rng.random() < 0.7 else TEXTS)
    return text.encode() if field.type == Field.TYPE_BYTES else text


def _change_list(values: Any, field: Any, rng: Random, texts: list[str]) -> None:
    place = rng.randrange(len(values) + 1)
    kind = rng.randrange(4)
    if kind == 0 and place < len(values):
        del values[place]
    elif kind == 1 and len(values):
        values.append(values[rng.randrange(len(values))])
    elif field.type == Field.TYPE_MESSAGE:
        items = list(values)
        rng.shuffle(items)
        copies = [type(item).FromString(item.SerializeToString()) for item in items]
        del values[:]
        values.extend(copies)
    elif place < len(values):
        values[place] = _scalar(field, rng, texts)
    else:
        values.append(_scalar(field, rng, texts))


def _change_field(message: Message, rng: Random, texts: list[str]) -> None:
    """One field of the message, mostly one that is set."""
    given = [field for field, _ in message.ListFields()]
    field = rng.choice(given if given and rng.random() < 0.85 else list(message.DESCRIPTOR.fields))
    if rng.random() < 0.1:
        message.ClearField(field.name)
    elif field.is_repeated:
        _change_list(getattr(message, field.name), field, rng, texts)
    elif field.type != Field.TYPE_MESSAGE:
        setattr(message, field.name, _scalar(field, rng, texts))
    else:
        getattr(message, field.name).SetInParent()


def change_fields(content: bytes, rng: Random) -> bytes:
    """One to three fields anywhere in the model get another value; texts often become other texts of the model."""
    model = ModelProto.FromString(content)
    everywhere = list(_messages(model))
    texts = [name for node in model.graph.node for name in (*node.input, *node.output, node.op_type)]
    texts += [tensor.name for tensor in model.graph.initializer]
    kinds = sorted({type(message).__name__ for message in everywhere})
    for _ in range(rng.choice((1, 1, 2, 3))):
        wanted = rng.choice(kinds)  # every kind alike: most messages are metadata or dimensions
        _change_field(rng.choice([m for m in everywhere if type(m).__name__ == wanted]), rng, texts)
    return model.SerializeToString()
