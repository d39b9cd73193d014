"""What samples are described by: spectra of windows and of scans, virtual detectors."""

from .detectors import detector_mask, virtual_image
from .fft import window_fft
from .scan import scan_fft

__all__ = ["detector_mask", "scan_fft", "virtual_image", "window_fft"]
