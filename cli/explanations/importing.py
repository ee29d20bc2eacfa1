"""Codes of the front ends."""

from __future__ import annotations

from .entry import Explanation as E

_EXPORT = "torch.onnx.export(model.eval(), x, 'net.onnx')"

IMPORTING: dict[str, E] = {
    "NMC-I001": E(
        "The path names nothing, a folder, or something that may not be read.",
        "Check the path and its permissions. For a folder, name the model file inside it.",
        "nmc check nets/net.onnx --target cri",
    ),
    "NMC-I002": E(
        "The bytes are no ONNX protobuf: a download that broke off, a Git LFS pointer, a PyTorch or Keras file under "
        "another name, or a tensor whose data does not fill its shape.",
        "Copy or export the file again. The message says what the file looks like, where that can be told.",
        "git lfs pull",
    ),
    "NMC-I003": E(
        "Exporters put large weights into a file beside the model. It was not copied along, was cut short, or its path "
        "leads out of the model's folder, which nmc does not follow.",
        "Copy both files together into one folder.",
        "cp net.onnx net.onnx.data nets/",
    ),
    "NMC-I004": E(
        "A machine has a fixed number of neurons, so every size but the number of samples must be known.",
        "Give the whole shape of the input, starting with 1 for the samples.",
        "nmc compile net.onnx --target akida --input-shape image=1,3,64,64",
    ),
    "NMC-I005": E(
        "The shape has another number of axes than the file's, contradicts a size the file fixes, does not start with "
        "1, or is for an input that the model does not have.",
        "Compare it with the model's inputs, which the message lists.",
        "nmc check net.onnx --target cri --input-shape 1,3,64,64",
    ),
    "NMC-I006": E(
        "The training diverged, or the file is damaged. No integer stands for NaN or infinity.",
        "Find the layer named in the message, and export from weights in which all numbers are finite.",
        "all(p.isfinite().all() for p in model.state_dict().values())",
    ),
    "NMC-I007": E(
        "The file was written by a newer exporter than the installed onnx package knows, or by one from before "
        "opset 9.",
        "Update onnx, export with another opset_version, or convert the model.",
        "onnx.version_converter.convert_version(onnx.load('net.onnx'), 17)",
    ),
    "NMC-I010": E(
        "nmc has no rule for the operator: it works on data that machines do not have (lists, text, indices), "
        "multiplies "
        "or compares computed values, or was never asked for. docs/import.md lists what is imported.",
        "Replace the layer, or end the network before it and do the rest on the host. A softmax at the end of a "
        "classifier can be left out: the largest output stays the largest.",
        "torch.onnx.export(torch.nn.Sequential(*list(model)[:-1]), x, 'net.onnx')",
    ),
    "NMC-I011": E(
        "The operator is imported, but one of its attributes, operands, element types or used outputs is beyond what "
        "nmc does. The line `why` names it.",
        "Follow the line `try`. Layers in training mode are the most frequent reason: call model.eval() first.",
        _EXPORT,
    ),
    "NMC-I012": E(
        "The sizes of a node's operands contradict each other, so the file is not a valid model at this input shape.",
        "Check --input-shape; if it is right, export the model again.",
        "onnx.checker.check_model('net.onnx', full_check=True)",
    ),
    "NMC-I013": E(
        "Weights, bounds, exponents and divisors are programmed into the machine, so they cannot depend on the input.",
        "Make the tensor a parameter or buffer of the model. Products and quotients of two computed tensors have no "
        "counterpart.",
        "self.register_buffer('scale', torch.tensor(0.5))",
    ),
    "NMC-I014": E(
        "A node reads a value that nothing makes, two nodes make the same one, or values wait for one another.",
        "The file is not a valid model. Export it again, or mend the tool that edited it.",
        "onnx.checker.check_model('net.onnx')",
    ),
    "NMC-I015": E(
        "The machine runs one sample at a time. A reshape, transpose, slice, sum or broadcast that touches axis 0 "
        "makes "
        "samples depend on one another.",
        "Keep the batch axis in front and name the other axes. For the frames of a clip use a Conv3d with a kernel "
        "(1, k, k) instead of folding them into the batch.",
        "x.flatten(1), x.mean((2, 3)), x.squeeze(-1)",
    ),
    "NMC-I016": E(
        "Constants that the file only describes (Expand, Range, Tile, …) are computed at import. All together may have "
        "2**27 elements, so that a few bytes cannot fill the memory.",
        "Compute the constant before the export and store it as a buffer.",
        "self.register_buffer('grid', make_grid())",
    ),
    "NMC-I017": E(
        "Axis 0 of every input holds the samples. The file fixes it to another length, or the input has no "
        "further axis.",
        "Export with a dynamic batch axis or with batch 1. If axis 0 is the batch, give a shape that starts with 1.",
        "nmc compile net.onnx --target cri --input-shape x=1,3,32,32",
    ),
    "NMC-I018": E(
        "A Loop or Scan with a constant number of iterations is unrolled: each iteration becomes nodes of its own. All "
        "branches and loops of a model together may make 10,000 nodes, as a machine holds no such network anyway.",
        "Give a shorter clip, export the layer whole (LSTM and GRU have operators of their own), or export one step "
        "with its state as input and output.",
        "nmc check net.onnx --target akida --input-shape x=1,16,64",
    ),
    "NMC-I020": E(
        "The kind of a model is told by its ending: .onnx, .pt2, .nir, or .py with a factory behind a colon.",
        "Name the file by its ending, and PyTorch code with its factory. A .pt file holds weights alone.",
        "nmc compile net.py:make_net --target akida --input-shape 1,3,64,64 --state-dict net.pt",
    ),
    "NMC-I030": E(
        "The file or package could not be run, has nothing of the factory's name, or the factory wants arguments or "
        "returns something else than a torch.nn.Module.",
        "Run it in Python first. The factory takes no arguments and returns the module, or the module and its inputs.",
        "python -c 'import net; print(net.make_net())'",
    ),
    "NMC-I031": E(
        "The weights are of another model or another version of it, the file holds more than tensors, or the model is "
        "no PyTorch code and brings its own weights.",
        "Save the state dict of the model that the factory makes. The message lists names and shapes that differ.",
        "torch.save(model.state_dict(), 'net.pt')",
    ),
    "NMC-I032": E(
        "nmc follows `forward` without data. Decisions over the elements of tensors, tensors that the model changes, "
        "random numbers, and wrong input shapes stand in the way.",
        "Check --input-shape. Take decisions over data out of `forward`, and give networks over time the whole clip.",
        "nmc check net.py:make_net --target akida --input-shape clip=1,3,16,64,64",
    ),
    "NMC-I033": E(
        "PyTorch code and .pt2 files need the package torch, which nmc does not install by itself.",
        "Install it, or export the model to ONNX where torch is installed.",
        "pip install 'nmc[torch]'",
    ),
    "NMC-I034": E(
        "The file is no archive of torch.export.save, is damaged, or holds pickled objects, which could run code.",
        "Save it again, with tensors as the only constants.",
        "torch.export.save(torch.export.export(model, (x,)), 'net.pt2')",
    ),
    "NMC-I040": E(
        "The bytes are no HDF5 file with the structure of NIR, or the HDF5 library cannot read them.",
        "Write it again with nir.write, or copy it again.",
        "nir.write('net.nir', graph)",
    ),
    "NMC-I041": E(
        "A node has no value for a parameter of its kind, or one of another shape or type, or one that is not finite.",
        "Give every node all parameters that the NIR specification lists for it.",
        "nir.LIF(tau=tau, r=r, v_leak=v_leak, v_threshold=v_threshold)",
    ),
    "NMC-I042": E(
        "NIR is in continuous time, so --dt, --discretization and --reset say how it becomes timesteps. A value is "
        "unknown or out of range, or the model is of another kind and has its timesteps already.",
        "`nmc compile --help` lists the values; docs/nir.md says what they mean.",
        "nmc compile net.nir --target cri --dt 1e-4",
    ),
    "NMC-I043": E(
        "NIR files are HDF5 files, which the package h5py reads.",
        "Install it.",
        "pip install 'nmc[nir]'",
    ),
    "NMC-I044": E(
        "NIR has nodes for some layers and neurons only: no soft reset, no pooling by maximum, no constants of "
        "their own.",
        "Export before the part that the message names, or keep the network as ONNX or PyTorch.",
        "nmc export net.py:make_net --format nir -o net.nir",
    ),
    "NMC-I050": E(
        "A pair IN:OUT of --state names something that the model does not have, names one output for two states, has "
        "two different shapes, or leaves no input to feed; or the model is no ONNX file.",
        "Compare the names with the model's inputs and outputs, which the message lists. States that are FIFOs need no "
        "option: they are found.",
        "nmc check stream.onnx --target akida --state fifo_in:fifo_out",
    ),
}
