"""Random testing: networks from the tests' generators, drawn by hypothesis, through compiler, programs and engines.

drawn        a numpy Generator whose single numbers hypothesis draws and whose arrays are extreme now and then
extremes     inputs at the ends of their range; thresholds and biases out of the usual
kinds        the kinds of networks, each with what has to hold for it
agreement    engines, batches and integer semantics agree to the bit
relations    what must not change, or change in a known way, when a spiking network or its input is changed
campaign     blocks of networks by kind and seed, the smallest failing network of each
"""
