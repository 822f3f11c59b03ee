"""The few errors a user can meet. Each message says what is wrong and where, in their words."""


class DpnpError(Exception):
    """Base of all errors that are the input's fault: the command line prints them and exits 2."""


class BundleError(DpnpError):
    """A bundle that cannot be trusted or read; the message names the file."""


class ImageError(DpnpError):
    """A picture that cannot be used. The subclasses tell why."""


class NotAnImageError(ImageError):
    """The bytes are in none of the formats in `images.FORMATS`."""


class BrokenImageError(ImageError):
    """The format is known, but the picture is truncated or corrupt."""


class TooManyPixelsError(ImageError):
    """The header announces more pixels than the limit; nothing was decoded."""


class UnknownLabelError(DpnpError):
    """A class name that the model does not have."""


class UnknownExampleError(DpnpError):
    """A gallery id that the bundle does not have."""


class OwnRivalError(DpnpError):
    """The rival asked for is the class that the picture was given."""
