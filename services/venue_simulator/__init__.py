"""The venue simulator as a service: an exchange made of code behind HTTP. Its law: it only starts and stops what `ordergate.simulator` is."""
