"""What samples are described by: spectra, virtual detectors, circles, correlations, histograms."""

from .detectors import detector_mask, virtual_image
from .fft import window_fft
from .radial import angular_orders, polar_transform, radial_profile
from .scan import scan_fft

__all__ = [
    "angular_orders",
    "detector_mask",
    "polar_transform",
    "radial_profile",
    "scan_fft",
    "virtual_image",
    "window_fft",
]
