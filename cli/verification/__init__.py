"""What `nmc verify` puts together: the float network beside the program, causes of differing spikes, profiles."""
