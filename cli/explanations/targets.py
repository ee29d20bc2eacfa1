"""Codes of passes, targets, lowering and exports."""

from __future__ import annotations

from .entry import Explanation as E

TARGETS: dict[str, E] = {
    "NMC-P001": E(
        "A pipeline names passes with options in braces. One of the names or values is not known.",
        "`nmc passes` lists passes, their options, and the pipelines of the targets to start from.",
        "nmc compile net.onnx --target cri --passes 'canonicalize,fold-batch-norm,quantize-cri{weight_bits=6}'",
    ),
    "NMC-P002": E(
        "Every graph is verified after each pass, and this one is not valid any more. The model is not at fault.",
        "Report it with the folder that the message names, which holds the graph and the passes left.",
        "nmc compile net.onnx --target cri --dump-ir steps/",
    ),
    "NMC-P003": E(
        "--verify-each runs the network before and after a pass, and the numbers are not the same.",
        "Report it with the graphs that --dump-ir writes. The passes before the named one are not at fault.",
        "nmc compile net.onnx --target cri --verify-each --dump-ir steps/",
    ),
    "NMC-P004": E(
        "A pass takes graphs of some stages (imported, canonical, streaming, …) and gets one of another.",
        "Put the pass that gives the stage in front of it.",
        "nmc passes --target cri",
    ),
    "NMC-V001": E(
        "A stream sees one frame after the other. A layer that needs the whole clip, cuts it short, or pads more "
        "than its "
        "kernel reaches has no counterpart that gives the same numbers.",
        "Use causal padding (kernel − 1 frames on the left) and means over time only at the end.",
        "F.pad(x, (0, 0, 0, 0, 2, 0))  # before a Conv3d with 3 frames",
    ),
    "NMC-V002": E(
        "With --causal strict an output must not wait for later frames, and this layer uses some.",
        "Allow the delay, or pad in time on the left only.",
        "nmc compile net.onnx --target akida --causal delay",
    ),
    "NMC-V003": E(
        "A layer over time keeps the last frames in a FIFO, and the machine's FIFOs are shorter than its kernel.",
        "Use a shorter kernel in time, or let the pass chain FIFOs.",
        "--passes '…,stream{chain=true}'",
    ),
    "NMC-V004": E(
        "A stream is made of frames, and the input has no axis T.",
        "Give the clip as (N, C, T, H, W), with convolutions over all three axes, or compile it as an image network.",
        "nmc compile net.onnx --target akida --input-shape clip=1,3,16,64,64",
    ),
    "NMC-V005": E(
        "A stream model hands a memory from call to call that is no FIFO: a running sum, a hidden state, a "
        "counter. Machines hold the last frames of a value and nothing else.",
        "Keep only FIFOs outside the model: the window is Concat(state, frames) along the time axis, the next state "
        "its last frames. Or export the model for whole clips, where a mean over time is one.",
        "torch.cat([state, x], dim=2), window[:, :, -state.shape[2]:]",
    ),
    "NMC-T001": E(
        "No installed package offers a target of this name.",
        "`nmc targets` lists the targets.",
        "nmc compile net.onnx --target cri",
    ),
    "NMC-T002": E(
        "Each target has options of its own, and this one is of another target, or its value is out of range.",
        "`nmc targets` lists options and ranges.",
        "nmc compile net.onnx --target cri --timesteps 15",
    ),
    "NMC-T003": E(
        "Limits are checked for devices about which something is published. This target or name has none.",
        "`nmc targets` lists devices. Leave --device out for targets without them.",
        "nmc check net.onnx --target akida --device akida2",
    ),
    "NMC-T004": E(
        "A target runs networks of activations, spiking networks, or both.",
        "Choose a target that runs the network, or train it in another form.",
        "nmc targets",
    ),
    "NMC-T005": E(
        "A program keeps the names of its classes, how its answers are smoothed and what becomes of pixels. The names "
        "must be those of one of the network's outputs, in its order; the numbers have limits.",
        "Give one name for each class, a decay from 0 to below 1, and a scale above 0.",
        "nmc compile net.onnx --target akida --classes left,right,none --smoothing 0.8 --pixel-scale 255",
    ),
    "NMC-Q001": E(
        "The arrays have other names or shapes than the model's inputs, hold NaN, or are no numbers.",
        "Store one array per input, samples in front, in the values that the model takes.",
        "numpy.savez('calibration.npz', image=x)  # shape (samples, 3, 64, 64)",
    ),
    "NMC-C001": E(
        "The machine adds integer weights of spikes and compares with a threshold. A layer, or its place in the "
        "network, "
        "has no form in that.",
        "The line `why` names the reason. ReLU, convolutions, dense layers, sums and pools fit.",
        "nmc check net.onnx --target cri",
    ),
    "NMC-C002": E(
        "A synapse holds 16 bits. Folding a scale, a pool or a bit plane into the weights made one larger.",
        "Use fewer weight bits, or a smaller pool in front of the layer.",
        "nmc compile net.onnx --target cri --weight-bits 6",
    ),
    "NMC-C003": E(
        "The sum of all weights that a neuron may receive exceeds the bits of its potential. It would wrap around.",
        "Use fewer timesteps or fewer weight bits, or a profile with wider potentials.",
        "nmc compile net.onnx --target cri --timesteps 7",
    ),
    "NMC-C004": E(
        "Targets of one source lie in columns of the memory, and a column has room for so many of them.",
        "Use fewer output channels in the layers that read the source.",
        "nmc inspect net.nmc --memory",
    ),
    "NMC-C005": E(
        "A core holds a stated number of neurons, axons, synapses and neuron models, and the network needs more.",
        "Use a smaller network or input, or one threshold and leak for a layer.",
        "nmc check net.onnx --target cri --input-shape 1,2,64,64",
    ),
    "NMC-C020": E(
        "Profile `sim` is an ideal machine without addresses, so there is no image of its memory.",
        "Compile for a build of the hardware.",
        "nmc compile net.onnx --target cri --profile hw2024",
    ),
    "NMC-C021": E(
        "A threshold, leak or shift of a neuron has more bits than the hardware's field for it.",
        "Scale weights and thresholds down together, for example with fewer weight bits.",
        "nmc compile net.py:make_net --target cri --profile hw2024 --weight-bits 8",
    ),
    "NMC-C030": E(
        "A spike takes a timestep more to another core, and a loop has no time for that, so recurrent layers stay "
        "on one "
        "core. These are larger.",
        "Use fewer neurons in the recurrent layers, or recurrence within groups of channels.",
        "nmc partition net.nmc",
    ),
    "NMC-C031": E(
        "Cores further down the network start later. Neurons that fire without input would fire before their time.",
        "Use fewer cores, or thresholds above 0.",
        "nmc partition net.nmc",
    ),
    "NMC-C032": E(
        "What is published routes spikes among the cores of one FPGA.",
        "Use fewer cores.",
        "nmc partition net.nmc",
    ),
    "NMC-C033": E(
        "How many neurons and synapses a layer becomes is estimated from its structure, and this layer has no rule.",
        "Compile the network and measure the program.",
        "nmc compile net.onnx --target cri",
    ),
    "NMC-C034": E(
        "Cores are a matter of the axon-connection table, which only programs for target cri have.",
        "Compile the network for target cri.",
        "nmc compile net.onnx --target cri",
    ),
    "NMC-A001": E(
        "An Akida program is a chain of layers of few kinds, each with an activation, pool and int8 weights.",
        "The line `why` names the reason and `try` a form that fits.",
        "nmc check net.onnx --target akida",
    ),
    "NMC-A002": E(
        "The sums of a layer exceed 32 bits at every shift that the machine has.",
        "Use fewer inputs a neuron, or smaller weights; check the ranges of the calibration data.",
        "nmc compile net.onnx --target akida --calibration typical.npz",
    ),
    "NMC-A003": E(
        "The host takes what the device cannot do, and with it what only passes values on between such parts. Here "
        "that is everything.",
        "`nmc check` without --host-fallback lists what the device cannot do; onnxruntime runs the model as it is.",
        "nmc check net.onnx --target akida",
    ),
    "NMC-A004": E(
        "--size-budget gives layers weights of 4 bits until all weights fit. Image, temporal and transposed layers "
        "keep 8 bits on this machine, so there is a size that no choice goes below.",
        "Allow at least as many bytes as the message says, or make the network smaller.",
        "nmc compile gestures.onnx --target akida --calibration clips.npz --size-budget 16000",
    ),
    "NMC-A010": E(
        "A device holds layers up to stated sizes, and the program exceeds some of them.",
        "`nmc check` lists every layer, what it has, what is allowed, and what would help.",
        "nmc check net.nmc --device TwoNodesIPv2",
    ),
    "NMC-X001": E(
        "Something that nmc did not expect. Your input is not at fault, even if it is unusual.",
        "Report it with the command, the versions and the traceback.",
        "NMC_TRACEBACK=1 nmc compile net.onnx --target cri",
    ),
    "NMC-X002": E(
        "The machine on which nmc runs has no memory left, or ended the process for using too much.",
        "Use a smaller network or fewer samples at once, or close other programs.",
        "nmc simulate net.nmc --input few.npz",
    ),
    "NMC-X003": E(
        "Formats belong to targets: akida-json, onnx to akida, hs-api, hbm to cri; NIR holds networks, not programs.",
        "Choose a format of the program's target.",
        "nmc export net.nmc --format hs-api",
    ),
    "NMC-X004": E(
        "A value given to an export or import cannot be read, is out of range, or contradicts another or the file.",
        "`nmc export --help` and `nmc import --help` list options and values.",
        "nmc import network.json --steps 20 -o net.nmc",
    ),
    "NMC-X005": E(
        "Host segments are ONNX models of float layers. Layers of integers belong to a device's program. A program "
        "exported as ONNX computes in float64, which holds sums below 2^53 exactly.",
        "Write the network as it is before a pass quantizes it. Export a program with larger sums in another format.",
        "onnx_model(graph)  # in stage canonical, causal or streaming",
    ),
    "NMC-X020": E(
        "Options may stand in nmc.toml or in the table [tool.nmc] of pyproject.toml, in this folder or above. The file "
        "found or named cannot be read as TOML.",
        "Correct the file, or leave it out with --no-config.",
        "nmc config",
    ),
    "NMC-X021": E(
        "Keys of the file of options are called as options of commands are, tables as commands. One is not, or its "
        "value is not what the option takes: a flag is true or false, an option given several times a list.",
        "`nmc config` checks the whole file and shows what it sets.",
        "nmc config",
    ),
}
