"""Pickles as data: reads what pickle would write for a network, and can make nothing else.

A pickle is a program for a small stack machine, and Python's own machine calls whatever functions it names. This one
knows only the instructions that make numbers, text, lists, tuples and dictionaries. The few names that occur in pickles
of hs_api's networks are symbols here, and calling one of them makes a record or a number (`hs_api_pickle_names`).
Nothing is imported and no class is touched. Python's `Unpickler` is not used, not even with its names filtered: it sets
attributes on whatever lies on its stack, and hashing deeply nested keys overflows the C stack.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from io import BytesIO
from typing import Any

from .hs_api_numpy import Dtype, set_byte_order
from .hs_api_pickle_names import MODELS, Model, Symbol, call, described, symbol
from .hs_api_problems import Refusal, short

MAX_MARKS = 100
"""Containers that may be open at once; a network's file has about five."""
PROTOCOLS = range(6)


def read_pickle(data: bytes) -> object:
    """The value that a pickle stands for, of lists, tuples, dicts, numbers, text, bytes, None and Model.

    Keys of dicts are text or whole numbers; numpy's scalars are Python's numbers and text. Shared and even circular
    lists come out as they went in. Refusal NMC-F030 (damaged), F034 (asks for anything else), F035 (nested too deeply).
    """
    machine = _Machine()
    content = BytesIO(data)
    try:
        for opcode, argument, _ in pickletools.genops(content):
            machine.step(opcode.name, argument)
        if content.read(1):
            raise Refusal("F030", "bytes follow the pickle")
    except (ValueError, OverflowError, Warning) as error:
        raise Refusal("F030", f"damaged, or no pickle: {str(error)[:200]}") from error
    return machine.result()


class _Machine:
    """The stack, the numbers of values on it where containers were opened, and the values kept for reuse."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def step(self, name: str, argument: Any) -> None:
        if name in PUSHES:
            self.stack.append(argument)
        elif name in ACTIONS:
            ACTIONS[name](self, argument)
        else:
            raise Refusal("F034", f"the pickle has the instruction {name}, which no network needs")

    def result(self) -> object:
        if len(self.stack) != 1 or self.marks:
            raise Refusal("F030", "damaged pickle: it does not end in one value")
        return self.stack[0]

    # --- the stack ---

    def top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise Refusal("F030", "damaged pickle: a value is missing")
        return self.stack[-1]

    def pop(self) -> Any:
        value = self.top()
        self.stack.pop()
        return value

    def pops(self, count: int) -> tuple[Any, ...]:
        return tuple([self.pop() for _ in range(count)][::-1])

    def mark(self) -> None:
        self.marks.append(len(self.stack))
        if len(self.marks) > MAX_MARKS:
            raise Refusal("F035", f"the pickle is nested more than {MAX_MARKS} levels deep")

    def to_mark(self) -> list[Any]:
        if not self.marks:
            raise Refusal("F030", "damaged pickle: a container ends that never began")
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    # --- containers ---

    def append(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not list:
            raise Refusal("F034", f"the pickle appends to {described(target)}")
        target.extend(items)

    def set_items(self, items: list[Any]) -> None:
        target = self.top()
        if type(target) is not dict or len(items) % 2:
            raise Refusal("F034", f"the pickle sets items of {described(target)}")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # Other keys could be nested so deeply that hashing them overflows the C stack.
            if type(key) not in (str, int):
                raise Refusal("F034", f"a key is {described(key)}, neither text nor a whole number")
            if key in target:
                raise Refusal("F032", f"the key {short(key)} is given twice")
            target[key] = value

    # --- values kept for reuse ---

    def put(self, number: int) -> None:
        self.memo[number] = self.top()

    def get(self, number: int) -> None:
        if number not in self.memo:
            raise Refusal("F030", "damaged pickle: it reuses a value that it never kept")
        self.stack.append(self.memo[number])

    # --- objects ---

    def new(self) -> None:
        made, arguments = self.pops(2)
        if type(made) is not Symbol or made.name not in MODELS or arguments != ():
            raise Refusal("F034", f"the pickle makes an object of {described(made)}")
        self.stack.append(Model(made.name))

    def build(self) -> None:
        target, state = self.pops(2)
        self.stack.append(target)
        if type(target) is Model and target.state is None and type(state) is dict:
            target.state = state
        elif type(target) is Dtype:
            set_byte_order(target, state)
        else:
            raise Refusal("F034", f"the pickle sets the state of {described(target)}")


PUSHES = frozenset(
    [
        *("INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT"),
        *("UNICODE", "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "BINBYTES8"),
    ]
)
"""Instructions that push their argument, a number, a text, or bytes."""


def _protocol(_: _Machine, version: int) -> None:
    if version not in PROTOCOLS:
        raise Refusal("F030", f"the pickle has protocol {version}, nmc reads 0 to {PROTOCOLS[-1]}")


def _pairs(m: _Machine, _: object) -> None:
    items = m.to_mark()
    m.stack.append({})
    m.set_items(items)


ACTIONS: dict[str, Callable[[_Machine, Any], object]] = {
    "PROTO": _protocol,
    "FRAME": lambda m, _: None,
    "STOP": lambda m, _: None,
    "MARK": lambda m, _: m.mark(),
    "NONE": lambda m, _: m.stack.append(None),
    "NEWTRUE": lambda m, _: m.stack.append(True),
    "NEWFALSE": lambda m, _: m.stack.append(False),
    "EMPTY_LIST": lambda m, _: m.stack.append([]),
    "EMPTY_TUPLE": lambda m, _: m.stack.append(()),
    "EMPTY_DICT": lambda m, _: m.stack.append({}),
    "TUPLE1": lambda m, _: m.stack.append(m.pops(1)),
    "TUPLE2": lambda m, _: m.stack.append(m.pops(2)),
    "TUPLE3": lambda m, _: m.stack.append(m.pops(3)),
    "TUPLE": lambda m, _: m.stack.append(tuple(m.to_mark())),
    "LIST": lambda m, _: m.stack.append(m.to_mark()),
    "DICT": _pairs,
    "APPEND": lambda m, _: m.append([m.pop()]),
    "APPENDS": lambda m, _: m.append(m.to_mark()),
    "SETITEM": lambda m, _: m.set_items([*m.pops(2)]),
    "SETITEMS": lambda m, _: m.set_items(m.to_mark()),
    "PUT": lambda m, number: m.put(number),
    "BINPUT": lambda m, number: m.put(number),
    "LONG_BINPUT": lambda m, number: m.put(number),
    "MEMOIZE": lambda m, _: m.put(len(m.memo)),
    "GET": lambda m, number: m.get(number),
    "BINGET": lambda m, number: m.get(number),
    "LONG_BINGET": lambda m, number: m.get(number),
    "GLOBAL": lambda m, text: m.stack.append(symbol(*text.split(" ", 1))),
    "STACK_GLOBAL": lambda m, _: m.stack.append(symbol(*m.pops(2))),
    "REDUCE": lambda m, _: m.stack.append(call(*m.pops(2))),
    "NEWOBJ": lambda m, _: m.new(),
    "BUILD": lambda m, _: m.build(),
}
