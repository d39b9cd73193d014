"""What samples are described by: spectra, virtual detectors, circles, correlations, histograms."""

from .correlation import correlation
from .detectors import detector_mask, virtual_image
from .fft import window_fft
from .histogram import intensity_histogram, intensity_moments
from .radial import angular_orders, polar_transform, radial_profile
from .scan import scan_fft
from .symmetry import symmetry_scores

__all__ = [
    "angular_orders",
    "correlation",
    "detector_mask",
    "intensity_histogram",
    "intensity_moments",
    "polar_transform",
    "radial_profile",
    "scan_fft",
    "symmetry_scores",
    "virtual_image",
    "window_fft",
]
