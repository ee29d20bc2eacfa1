"""How a front end says no: a refusal of one node, and the report that gathers all of them."""

from __future__ import annotations

from ...diagnostics import Collector, Exit

WHAT = {
    "NMC-I006": "{op} uses a constant that holds NaN or infinity",
    "NMC-I010": "{op} is not supported",
    "NMC-I011": "{op} is not supported in the way it is used here",
    "NMC-I012": "the shapes at {op} do not fit together",
    "NMC-I013": "{op} needs a constant and gets a computed value",
    "NMC-I014": "{op} holds a graph with broken wiring",
    "NMC-I015": "{op} does not keep the samples (axis 0) apart",
    "NMC-I016": "{op} would make a constant that is too large",
    "NMC-I018": "{op} is too long to be unrolled",
}


class Refusal(Exception):
    """One node cannot be imported: a code from `WHAT`, why, and what the user can try."""

    def __init__(self, code: str, why: str, hint: str = ""):
        super().__init__(why)
        self.code, self.why, self.hint = code, why, hint


class DependsOnRefused(Exception):
    """An operand comes from a node that was refused: nothing can be said about this one, and nothing is."""


class Report(Collector):
    """All problems of one import. It ends in BAD_FILE if any of them is damage in the file, else in UNSUPPORTED."""

    def damaged(self, code: str, what: str, where: str = "", why: str = "", hint: str = "") -> None:
        self.exit_code = Exit.BAD_FILE
        self.add(code, what, where, why, hint)

    def refused(self, refusal: Refusal, op: str, where: str) -> None:
        what = WHAT[refusal.code].format(op=op)
        note = self.damaged if refusal.code == "NMC-I006" else self.add
        note(refusal.code, what, where, refusal.why, refusal.hint)


def require(condition: bool, code: str, why: str, hint: str = "") -> None:
    """Refusal of the node unless the condition holds."""
    if not condition:
        raise Refusal(code, why, hint)
