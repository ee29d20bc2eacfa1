"""What nmc tells a user about a problem: a code, what, where, why, and what to try."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum


class Exit(IntEnum):
    """Exit codes of every command (public, see docs/cli.md)."""

    DONE = 0
    CHECK_FAILED = 1
    USAGE = 2
    UNSUPPORTED = 3
    BAD_FILE = 4
    LIMIT = 5


CODES: dict[str, str] = {
    "NMC-F001": "the program file does not exist",
    "NMC-F002": "the program file cannot be read",
    "NMC-F003": "the file is empty, cut short, or no safetensors file",
    "NMC-F004": "a safetensors file without a program description: not made by nmc",
    "NMC-F005": "the program description is not a JSON object",
    "NMC-F006": "the file has a format version this nmc does not read",
    "NMC-F007": "the program is for a target this nmc does not know",
    "NMC-F008": "the content does not match its checksum",
    "NMC-F009": "a field of the program is missing, unknown or of the wrong type",
    "NMC-F010": "an array of the program is missing, surplus, or of the wrong dtype or shape",
    "NMC-F011": "a synapse table is inconsistent",
    "NMC-F012": "an index points outside what it counts",
    "NMC-F013": "a value lies outside its range",
    "NMC-F014": "a file cannot be written",
    "NMC-F020": "the file is not an Akida JSON file",
    "NMC-F021": "a layer, parameter or variable of an Akida JSON file is unknown or malformed",
    "NMC-F022": "the host file beside an Akida JSON file is malformed or does not belong to it",
    "NMC-F030": "the file holds no network for hs_api, or a damaged one",
    "NMC-F031": "an entry of a network for hs_api is malformed, or asks for what is not modelled",
    "NMC-F032": "a name in a network for hs_api is unknown, or given twice",
    "NMC-F033": "a synapse weight of a network for hs_api is no whole number of 16 bits",
    "NMC-F034": "a pickle asks for something else than data",
    "NMC-F035": "a network for hs_api is larger or nested deeper than nmc reads",
    "NMC-F036": "the files of an exported network for hs_api do not belong together, or were changed",
    "NMC-F037": "the program holds what hs_api cannot express",
    "NMC-F040": "the files hold no memory image of a CRI core, or a damaged one",
    "NMC-F041": "a pointer, entry or parameter of a memory image makes no sense",
    "NMC-F042": "the files of a memory image do not belong together, or were changed",
    "NMC-F043": "a memory image uses what is not modelled: delays, entries for other cores",
    "NMC-F050": "the ONNX model of a host segment is damaged, or holds what is not allowed there",
    "NMC-R001": "the input file does not exist or cannot be read",
    "NMC-R002": "the input file is damaged or of an unknown kind",
    "NMC-R003": "an array of the input file holds Python objects or a dtype numpy does not have",
    "NMC-R004": "the given arrays are not the inputs of the program",
    "NMC-R005": "an input has the wrong shape",
    "NMC-R006": "an input is not numeric",
    "NMC-R007": "an input holds NaN or infinity",
    "NMC-R008": "the program has noise and no seed was given, or noise is not simulated there; or a seed without noise",
    "NMC-R009": "there is no such engine",
    "NMC-R010": "mpi4py, or the MPI library that it needs, is not installed",
    "NMC-R011": "what was asked for is not done over several processes",
    "NMC-R020": "labels are missing, not whole numbers, not one for each sample, or not among the network's classes",
    "NMC-R021": "a frame, a recording, their folder, or a line of a list of labels or classes is missing or malformed",
    "NMC-R022": "the package that reads images or videos is not installed",
    "NMC-R023": "the output with the class scores is not named, unknown, or holds no class scores",
    "NMC-R024": "the float model cannot be run on these samples, or lacks the program's output",
    "NMC-R025": "onnxruntime, which runs host segments, is not installed or cannot run a segment",
    "NMC-R026": "the engine torch, or the device it should run on, is not there",
    "NMC-R030": "a board's record and a simulation's file have nothing to compare",
    "NMC-R031": "the model, with the options that a program stores, does not give that program again",
    "NMC-R032": "there is no such profile, or the target has none",
    "NMC-R033": "what single layers' rounding costs is not measured for such a program",
    "NMC-R040": "the golden case or the folder of cases does not exist, is empty, or cannot be read",
    "NMC-R041": "the golden case is no TOML file",
    "NMC-R042": "a key of a golden case is unknown, missing, or has a value that does not fit",
    "NMC-R043": "nothing was recorded for the golden case yet",
    "NMC-R044": "the recorded values of a golden case are damaged, cannot be read, or of another version",
    "NMC-R050": "more memory would be needed than --max-memory allows",
    "NMC-R051": "the program has more synapses than --max-synapses allows",
    "NMC-R060": "a file given to `nmc report` is no result of the command that it should be of, or of another program",
    "NMC-R070": "a package that several workers, results tables or plots need is not installed",
    "NMC-R071": "the Dask cluster does not start or answer, has other workers than it should, or was lost",
    "NMC-R072": "a part of the work ended every process that took it",
    "NMC-R073": "the file of finished parts (--resume) is damaged, or is none",
    "NMC-R074": "the file of finished parts (--resume) is of another run, or another run has it open",
    "NMC-R075": "a file changed while the processes of a run were reading it",
    "NMC-R076": "--workers, --grid, --cost or the suffix of a results file has a value that there is not",
}
"""What each code of the program file (F) and of running a program (R) means. The compiler keeps a table of its own."""


@dataclass(frozen=True)
class Diagnostic:
    """One problem. `code` is stable (`NMC-I012`) and has an entry in docs/diagnostics.md."""

    code: str
    what: str
    where: str = ""
    why: str = ""
    hint: str = ""

    def __str__(self) -> str:
        details = (("at ", self.where), ("why", self.why), ("try", self.hint))
        lines = [f"  {label}  {text}" for label, text in details if text]
        return "\n".join([f"error[{self.code}] {self.what}", *lines])

    def to_json(self) -> dict[str, str]:
        return asdict(self)


class NmcError(Exception):
    """One or more diagnostics that end a command, with the exit code they stand for."""

    def __init__(self, diagnostics: Diagnostic | Sequence[Diagnostic], exit_code: Exit):
        self.diagnostics = [diagnostics] if isinstance(diagnostics, Diagnostic) else list(diagnostics)
        self.exit_code = exit_code
        super().__init__("\n".join(map(str, self.diagnostics)))


def bad_file(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """A file or array is missing, damaged, not what it claims, unwritable, of wrong shape or dtype, or holds NaN."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.BAD_FILE)


def unsupported(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """The model is not supported as asked."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.UNSUPPORTED)


def usage(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """The command or call is incomplete or contradicts itself."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.USAGE)


def limit(code: str, what: str, where: str = "", why: str = "", hint: str = "") -> NmcError:
    """A stated limit of the target or of the command is exceeded."""
    return NmcError(Diagnostic(code, what, where, why, hint), Exit.LIMIT)
