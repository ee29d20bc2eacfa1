"""Import fuzzing: damaged, odd and hostile ONNX files go through import and `nmc check` in processes of their own.

corpus    valid models that the cases start from
damage    bytes and protobuf fields changed at random
hostile   faults that somebody would build on purpose: cycles, endless functions, weights outside the folder
cases     number of a case → files in a folder
verdict   what one case comes to
workers   processes with a time and a memory limit

`python -m fuzz_import --count 5000 --seed 0` from tests/ (`make fuzz-import`).
"""
