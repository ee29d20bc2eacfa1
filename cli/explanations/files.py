"""Codes of program files and vendors' files."""

from __future__ import annotations

from .entry import Explanation as E

_MAKE = "nmc compile net.onnx --target cri -o net.nmc"
_AKIDA = "nmc export net.nmc --format akida-json"
_HS_API = "nmc export net.nmc --format hs-api"
_IMAGE = "nmc export net.nmc --format hbm"
_AGAIN = "Compile the model again."
_BY_HAND = "The file was changed by hand or by another tool, or copied in part; nmc writes no such file."

FILES: dict[str, E] = {
    "NMC-F001": E("The path names nothing.", "Check the path.", "ls *.nmc"),
    "NMC-F002": E(
        "The path is a folder, or may not be read.", "Name a .nmc file and check its permissions.", "ls -l net.nmc"
    ),
    "NMC-F003": E(
        "A copy broke off, the disk was full, or the file is of another kind.",
        "Copy it again, or compile the model again.",
        _MAKE,
    ),
    "NMC-F004": E(
        "Programs are safetensors files with a description. This one holds tensors alone, such as weights.",
        "Name a program. Weights go with PyTorch code, as --state-dict.",
        _MAKE,
    ),
    "NMC-F005": E(_BY_HAND, _AGAIN, _MAKE),
    "NMC-F006": E(
        "A newer nmc wrote the file, in a format that this one does not know.",
        "Update nmc, or compile the model with this one.",
        "pip install --upgrade nmc",
    ),
    "NMC-F007": E(
        "The program is for a target of another package or of a newer nmc.",
        "Install what wrote it, or compile the model for a target that `nmc targets` lists.",
        "nmc targets",
    ),
    "NMC-F008": E(
        "Some bytes are not those that were written, so results could differ in silence.",
        "Copy the file again, or compile the model again.",
        _MAKE,
    ),
    "NMC-F009": E(_BY_HAND, _AGAIN, _MAKE),
    "NMC-F010": E(_BY_HAND, _AGAIN, _MAKE),
    "NMC-F011": E(
        "The rows of a table of synapses must follow one another and cover all synapses.",
        "Mend the tool that made the table, or compile the model again.",
        _MAKE,
    ),
    "NMC-F012": E(
        "A target, axon, neuron or timestep has a number beyond the last one.",
        "Mend the tool that made the program, or compile the model again.",
        _MAKE,
    ),
    "NMC-F013": E(
        "A size, weight, threshold or scale is outside of what the machine holds, or not finite.",
        "Mend the tool that made the program, or compile the model again.",
        _MAKE,
    ),
    "NMC-F014": E(
        "The folder does not exist or may not be written, or the disk is full. Nothing half written is left.",
        "Name another place.",
        "nmc compile net.onnx --target cri -o /tmp/net.nmc",
    ),
    "NMC-F020": E(
        "The file is no JSON, or JSON without the list of layers that Akida programs have.",
        "Name the file that Akida's tools or `nmc export` wrote.",
        _AKIDA,
    ),
    "NMC-F021": E(
        "A layer is of a kind, or a variable of a shape or range, that Akida 2.0 programs do not have.",
        "Write the file again with the vendor's tools; layers that learn and Akida 1.0 programs are not read.",
        _AKIDA,
    ),
    "NMC-F022": E(
        "Beside the vendor's JSON lies what the host does before and after. It was changed, or is of another export.",
        "Export both files again, or remove the host file to work with integers.",
        _AKIDA,
    ),
    "NMC-F030": E(
        "The bytes are no JSON, arrays or pickle of a network for hs_api.",
        "Name the folder or file that was written for hs_api.",
        _HS_API,
    ),
    "NMC-F031": E(
        "An axon, neuron, synapse or neuron model is written in a form that hs_api does not have, or asks for noise or "
        "other things that nmc does not model.",
        "Mend the entry that the message names.",
        "{'a0': [('n0', 5)]}  # an axon with one synapse",
    ),
    "NMC-F032": E(
        "A synapse or output names a neuron that is not among the neurons, or one name stands for two.",
        "Give every neuron and axon one name, and use only those.",
        "connections = {'n0': ([('n1', 3)], model), 'n1': ([], model)}",
    ),
    "NMC-F033": E(
        "Synapses hold whole numbers from −32768 to 32767.",
        "Scale weights and thresholds together, then round.",
        "weight = round(w * 64)",
    ),
    "NMC-F034": E(
        "A pickle can call any function when it is opened. nmc reads it as data and refuses what is more than a "
        "network.",
        "Write the network with lists, tuples, numbers, text and the neuron classes of hs_api.",
        "pickle.dump((axons, connections, outputs), file)",
    ),
    "NMC-F035": E(
        "The file exceeds the size or depth that is read in one go.",
        "Write the network as arrays, which take a fraction of the space.",
        _HS_API,
    ),
    "NMC-F036": E(
        "The description and the arrays are of different exports, or one was changed.",
        "Export the program again, and copy the whole folder.",
        _HS_API,
    ),
    "NMC-F037": E(
        "hs_api has no words for something in the program: the message names it.",
        "Compile for another profile or with other options.",
        _HS_API,
    ),
    "NMC-F040": E(
        "The folder lacks image.json or the binary, or they are damaged.",
        "Export the program again, and copy the whole folder.",
        _IMAGE,
    ),
    "NMC-F041": E(
        "A word of the image points outside its region, or says what no build of the hardware understands.",
        "Export the program again, or mend the tool that wrote the image.",
        _IMAGE,
    ),
    "NMC-F042": E(
        "image.json tells of another binary than the one beside it.",
        "Export the program again, and copy the whole folder.",
        _IMAGE,
    ),
    "NMC-F043": E(
        "The hardware has features that the simulator does not, and the image uses one.",
        "Write the image without delays and entries for other cores.",
        _IMAGE,
    ),
    "NMC-F050": E(
        "Host segments are ONNX models of standard operators, with all data inside; custom operators, functions, "
        "subgraphs and data in other files are not run. nmc writes none of them.",
        "Compile the model again, and ask where the file comes from.",
        "nmc compile net.onnx --target akida --host-fallback -o net.nmc",
    ),
}
