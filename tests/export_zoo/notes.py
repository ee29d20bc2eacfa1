"""Why networks that one might expect to compile do not, for the page."""

NOTES = """\
## Why some do not compile

- **Gates over a whole clip** (x3d, movinet): squeeze-and-excitation of these networks means over all frames, so the
  first frame of a clip is scaled by a number that is known after the last one. No stream computes that; MoViNet's own
  streaming form means over the frames so far.
- **Gates and smooth activations on cri**: spike counts add up; they are not multiplied, and levels of a train are an
  increasing function of a sum from 0 on. ReLU and ReLU6 are, SiLU, hard-swish and products are not.
- **Attention over all frames** (timesformer, swin3d): every frame would need the frames after it. The attention of
  ca3d, over the last frames alone, streams, on the host.
- **Temporal max pooling on akida** (c3d, i3d, s3d): the machine's memories are read by convolutions and means.
"""
