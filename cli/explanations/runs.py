"""Codes of data, simulation, evaluation, comparison and golden cases."""

from __future__ import annotations

from .entry import Explanation as E

_INPUT = "nmc simulate net.nmc --input x.npz"
_EVALUATE = "nmc evaluate net.nmc --data test.npz"

RUNS: dict[str, E] = {
    "NMC-R001": E("The path names nothing, or may not be read.", "Check the path.", "ls -l x.npz"),
    "NMC-R002": E(
        "Data comes as .npz, .npy or .safetensors. The file is of another kind, or its content is damaged.",
        "Write it again with numpy.",
        "numpy.savez('x.npz', image=x)",
    ),
    "NMC-R003": E(
        "Arrays of Python objects are pickles, which could run code, so they are not read.",
        "Store plain numbers: lists of unequal length must be padded first.",
        "numpy.save('x.npy', numpy.stack(frames).astype('float32'))",
    ),
    "NMC-R004": E(
        "The program has inputs by name, and the arrays have other names or are too few or too many.",
        "Use the names that `nmc inspect` shows. A single array may have any name if there is one input.",
        "numpy.savez('x.npz', image=x)",
    ),
    "NMC-R005": E(
        "An array is (samples, *shape of one sample). The message says which shape was expected.",
        "Put the samples in front, x[None] for a single one, and keep the layout of the source model.",
        "numpy.save('x.npy', x.transpose(0, 3, 1, 2))  # NHWC to NCHW",
    ),
    "NMC-R006": E(
        "Inputs are numbers (for the axons of a CRI program booleans), and these are text or dates.",
        "Convert the array.",
        "numpy.save('x.npy', x.astype('float32'))",
    ),
    "NMC-R007": E(
        "No code stands for NaN or infinity.",
        "Find out where they come from: a division by zero in the preprocessing, most often.",
        "numpy.isfinite(x).all()",
    ),
    "NMC-R008": E(
        "A neuron model draws random numbers. A simulation draws them from a seed; costs, images and cores have none.",
        "Give a seed, or give every neuron the noise shift that switches noise off.",
        "nmc simulate net.nmc --input x.npz --seed 1",
    ),
    "NMC-R009": E(
        "The engine is unknown, or the fast one cannot run this program exactly.",
        "Leave --engine out, or use the reference engine.",
        "nmc simulate net.nmc --input x.npz --engine reference",
    ),
    "NMC-R010": E(
        "Started by mpirun, or with --engine mpi, processes talk through mpi4py and the MPI library that it loads.",
        "Install both, or start one process.",
        "pip install 'nmc[mpi]' mpich",
    ),
    "NMC-R011": E(
        "Processes share the neurons of one program for target cri. Other programs, and --cost, need one process.",
        "Leave mpirun out; `nmc evaluate` runs samples in parallel.",
        "nmc simulate net.nmc --input x.npz",
    ),
    "NMC-R020": E(
        "Labels say for each sample which class is right: whole numbers from 0, one a sample.",
        "Store them beside the samples, or name a list for a folder of frames.",
        "numpy.savez('test.npz', image=x, labels=y)",
    ),
    "NMC-R021": E(
        "A line of a list is not folder;label, or a folder of frames or recordings is missing, empty or numbered with "
        "gaps, or a recording of DVS128 Gesture or its labels are missing or malformed.",
        "Mend the line or folder that the message names.",
        "echo 'clip_0001;3' >> labels.csv",
    ),
    "NMC-R022": E(
        "Frames are images, which the package Pillow reads; videos need PyAV.",
        "Install it.",
        "pip install 'nmc[images]'",
    ),
    "NMC-R023": E(
        "Accuracy needs one output with one score a class.",
        "Name the output with --output; `nmc inspect` lists them.",
        "nmc evaluate net.nmc --data test.npz --output logits",
    ),
    "NMC-R024": E(
        "The float model takes other shapes or types than the samples have, or gives no output of the program's name.",
        "Name the model that the program was compiled from.",
        _EVALUATE,
    ),
    "NMC-R025": E(
        "A program with host segments computes them with onnxruntime. It is not installed, or too old for the models "
        "(opset 21), or ran out of memory.",
        "Install onnxruntime 1.20 or newer.",
        "pip install --upgrade onnxruntime",
    ),
    "NMC-R026": E(
        "The engine torch needs the package torch, and for a GPU a build of it that knows CUDA and finds the device. "
        "Its devices are cpu, cuda and cuda:N.",
        "Install torch, or leave out --device: the engine auto runs on the CPU and gives the same bits.",
        "nmc simulate p.nmc --input x.npz --engine torch --device cpu",
    ),
    "NMC-R030": E(
        "The recording and the simulation share no output name, or a recording without names has several candidates.",
        "Store the recording under the names of the program's outputs.",
        "numpy.savez('board.npz', logits=scores)",
    ),
    "NMC-R031": E(
        "The model, its weights, the calibration samples or the options are not those that the program was made with.",
        "Name the same files and options as in `nmc compile`; `nmc inspect` shows what the program stores of them.",
        "nmc verify net.onnx net.nmc --input x.npz --calibration typical.npz",
    ),
    "NMC-R032": E(
        "Only target cri has profiles, and this is none of them.",
        "`nmc targets` lists profiles; `all` means every one.",
        "nmc verify net.onnx net.nmc --input x.npz --profile all",
    ),
    "NMC-R033": E(
        "Sensitivity is measured by rounding one layer of a float network at a time. Of spiking networks `nmc verify` "
        "counts spikes that differ instead; a program of several segments has no single float layer sequence.",
        "Leave out --sensitivity; for segments, compile the part on the device by itself.",
        "nmc verify net.onnx net.nmc --input x.npz --sensitivity",
    ),
    "NMC-R040": E(
        "The path names no case, or a folder without cases.",
        "A case is a file NAME.toml; name it or its folder.",
        "nmc golden check tests/golden",
    ),
    "NMC-R041": E(
        "The file is not TOML: a quote or bracket is missing, or a key is given twice.",
        "Mend the line that the message names.",
        'model = "net.onnx"',
    ),
    "NMC-R042": E(
        "A case has a fixed set of keys, and each takes values of one kind.",
        "Mend the key that the message names.",
        'target = "cri"',
    ),
    "NMC-R043": E(
        "The case was written, but never run to record what it gives.",
        "Record it, look at the result, and put it under version control.",
        "nmc golden record tests/golden",
    ),
    "NMC-R044": E(
        "The recorded values were changed by hand, cut short by a merge, or written by another version of nmc.",
        "Restore the file, or record the case again and review what changed.",
        "nmc golden record tests/golden",
    ),
    "NMC-R050": E(
        "Before arrays of a file, a run or a table are made, their size is added to what the process holds already.",
        "Allow more, run fewer samples at once, or use a smaller network.",
        "nmc simulate net.nmc --input few.npz --max-memory 8G",
    ),
    "NMC-R051": E(
        "Synapses are counted before their table is made, in a file before it is read.",
        "Allow more, or use a smaller network: fewer channels, a smaller image.",
        "nmc compile net.onnx --target cri --max-synapses 10000000",
    ),
    "NMC-R060": E(
        "A report shows what other commands print with --json. The file is damaged, holds something else, or is about "
        "a program with other outputs.",
        "Run the command again with --json and give the file that it wrote.",
        "nmc report net.nmc --verify verify.json",
    ),
    "NMC-R070": E(
        "Several workers and `nmc sweep` use packages that are no part of the core: distributed, pyarrow, matplotlib.",
        "Install the extra that the message names.",
        "pip install 'nmc[dask]'",
    ),
    "NMC-R071": E(
        "No scheduler answers at the address, it has no workers, or those lack nmc or have another version of it. "
        "During a run: the scheduler ended. With a number of workers: the system did not let so many processes start.",
        "Start scheduler and workers in environments with the same nmc. With --resume a run goes on where it was.",
        "nmc evaluate net.nmc --data test.npz --workers dask://host:8786 --resume parts",
    ),
    "NMC-R072": E(
        "A part is given to another process when its process ends. This one ended several; most often memory ran out.",
        "Take fewer workers, or smaller parts.",
        "nmc evaluate net.nmc --data test.npz --workers 2 --part 16",
    ),
    "NMC-R073": E(
        "Every line of the file has a checksum. One does not match, or the first line is not that of such a file. "
        "What a kill leaves behind at the end of the file is no damage.",
        "Remove the file and start anew, or name the right one.",
        "rm parts && nmc evaluate net.nmc --data test.npz --resume parts",
    ),
    "NMC-R074": E(
        "The parts in the file were made with another program, other data, other options or another nmc; or the run "
        "that makes them has not ended.",
        "Name another file, or a folder, where each run has a file of its own.",
        "nmc evaluate net.nmc --data test.npz --resume checkpoints/",
    ),
    "NMC-R075": E(
        "Every process opens the program and the float model itself, and checks that they are as at the beginning.",
        "Leave the files as they are during a run, and run the command again.",
        _EVALUATE,
    ),
    "NMC-R076": E(
        "Workers are a number or an address dask://host:port; a grid is name=value,value,…; a cost is a column of the "
        "table; results are .csv, .parquet or .json.",
        "Mend the value that the message names.",
        "nmc sweep net.onnx --target cri --grid timesteps=3,7,15 --data test.npz -o results.csv",
    ),
}
