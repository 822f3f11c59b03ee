"""Errors of training that are the user's to mend."""

import pickle

from interpret.bundle.errors import DpnpError

# What torch's reader raises of bytes that are no file of tensors: whatever they lead it to.
UNREADABLE = (
    *(RuntimeError, EOFError, LookupError, ValueError, TypeError, AttributeError),
    pickle.UnpicklingError,
)


class DataError(DpnpError):
    """A data set that cannot be used; the message names the folder or file."""


class ConfigError(DpnpError):
    """An option that does not fit; the message names it."""


class CheckpointError(DpnpError):
    """A checkpoint that cannot be resumed from, or would be lost."""


class QuantizationError(DpnpError):
    """A model that cannot be had in INT8, or not with the accuracy that was asked for."""


class DivergedError(DpnpError):
    """Training left the finite numbers."""
