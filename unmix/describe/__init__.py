"""What samples are described by: the spectra of windows."""

from .fft import window_fft

__all__ = ["window_fft"]
