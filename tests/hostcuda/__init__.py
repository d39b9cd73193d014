"""Run CUDA C++ kernels on the host: the same text, through the host's C++ compiler."""

from .errors import BuildError, HostCudaError, KernelError, LaunchError
from .kernels import HostKernel, HostKernels

__all__ = [
    "BuildError",
    "HostCudaError",
    "HostKernel",
    "HostKernels",
    "KernelError",
    "LaunchError",
]
