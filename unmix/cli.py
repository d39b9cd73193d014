"""The command line: ``unmix run`` and ``unmix info``."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from ._errors import FileError, UnmixError

if TYPE_CHECKING:
    from ._results import PrincipalComponents
    from ._samples import Samples
    from ._unmixing import Unmixing

MODEL, RECORD = "model.npz", "record.json"
PICTURES = ("maps.png", "abundances.png", "scree.png", "simplex.png", "representatives.png")

COMPONENTS = 8
"""Principal components for the scree plot of N-FINDR, where there are not more endmembers."""


class Command(click.Command):
    """A command whose errors are one line, without a traceback unless ``--debug`` is given."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt:
            click.echo("Interrupted; nothing was written.", err=True)
            ctx.exit(130)
        except Exception as error:
            if ctx.params.get("debug"):
                raise
            text = " ".join(str(error).split())
            if not isinstance(error, UnmixError):
                text = f"unexpected {type(error).__name__}: {text}; --debug shows where"
            raise click.ClickException(text) from None


def size(text: str) -> tuple[int, int]:
    """Read pixels as ``64`` or ``64x48`` (y x x)."""
    parts = text.lower().replace("×", "x").split("x")
    if len(parts) > 2 or not all(p.strip().removeprefix("-").isdecimal() for p in parts):
        raise click.BadParameter(f"{text!r} is no size; expected pixels: 64, or 64x48 (y x x)")
    return int(parts[0]), int(parts[-1])


@dataclass(frozen=True, slots=True)
class Job:
    """What `run` was asked for."""

    image: str
    out: Path
    method: Literal["nfindr", "pca", "kmeans"]
    n: int
    window: tuple[int, int]
    step: tuple[int, int]
    edges: Literal["valid", "reflect", "periodic", "constant"]
    taper: str
    k_min: float
    k_max: float | None
    axes: str | None
    average: int
    rng: int
    budget: int | None
    force: bool
    debug: bool


EXAMPLES = """\b
Phases of an atomically resolved image:
  unmix run image.tif --window 64 --step 8 --method nfindr -n 3 --out phases
What a file holds:
  unmix info image.tif
"""


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(context_settings=SETTINGS, epilog=EXAMPLES)
@click.version_option(package_name="unmix", prog_name="unmix")
def main() -> None:
    """Unmix microscopy images: S(x, R) = sum of maps a_i(x) times components w_i(R)."""


DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
AXES = click.option(
    "--axes",
    metavar="NAMES",
    help="Names of the file's axes, slow to fast, with a bar before those of the descriptor: "
    '"frame y x", "scan_y scan_x | det_y det_x".  [default: as the file says]',
)


@main.command(cls=Command, context_settings={"show_default": True})
@click.argument("image")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    required=True,
    metavar="DIR",
    help="New folder for the model (model.npz), its record (record.json) and pictures.",
)
@click.option(
    "--method",
    type=click.Choice(["nfindr", "pca", "kmeans"]),
    default="nfindr",
    help="Endmembers and their abundances, principal components, or clusters.",
)
@click.option("-n", type=int, required=True, help="Number of endmembers, components or clusters.")
@click.option(
    "--window", type=size, default="64", metavar="PIXELS", help="Size of a window; 64x48 is y x x."
)
@click.option("--step", type=size, default="8", metavar="PIXELS", help="Distance between windows.")
@click.option(
    "--edges",
    type=click.Choice(["valid", "reflect", "periodic", "constant"]),
    default="valid",
    help="Windows wholly inside the image, or what lies outside of it.",
)
@click.option("--taper", default="hann", help="hann, hamming, blackman, boxcar ...")
@click.option("--k-min", type=float, default=0.0, help="Leave out smaller |k| (cycles per unit).")
@click.option("--k-max", type=float, help="Leave out larger |k_y|, |k_x|.  [default: keep all]")
@AXES
@click.option("--average", type=int, default=1, help="nfindr: mean of so many windows per vertex.")
@click.option("--rng", type=int, default=0, help="Key of the random starts.")
@click.option("--budget", type=click.IntRange(1), metavar="MIB", help="Working memory in MiB.")
@click.option("--force", is_flag=True, help="Replace DIR, once the new results are complete.")
@DEBUG
def run(**given: Any) -> None:
    """Find phases in IMAGE: sliding windows, FFT, unmixing, maps.

    IMAGE is an .npy, .tif, .png, .h5 ("file.h5::/entry/data") or .npz file, or any that
    rosettasciio reads. An interrupted or failed run leaves nothing behind.
    """
    job = Job(**given)
    if job.average != 1 and job.method != "nfindr":
        raise click.UsageError(f"--average goes with --method nfindr, and not with {job.method}")
    with _terminated():
        _run(job)


@contextmanager
def _terminated() -> Iterator[None]:
    """Let a job scheduler's SIGTERM clean up like Ctrl-C."""

    def stop(*_: Any) -> None:
        raise SystemExit(143)  # as a shell says of a process that SIGTERM ended

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may listen
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _run(job: Job) -> None:
    import unmix as um

    from . import _write
    from .io import _text

    if find_spec("matplotlib") is None:
        raise FileError(
            'the pictures need matplotlib, which is not installed: pip install "unmix[plot]"'
        )
    _write.require_free(job.out, {MODEL, RECORD, *PICTURES} if job.force else None)
    with ExitStack() as stack:
        if job.budget is not None:
            stack.enter_context(um.config.memory_budget(job.budget << 20))
        image = um.open(job.image, axes=job.axes)
        windows = um.sliding_windows(image, job.window, job.step, edges=job.edges)
        spectra = um.window_fft(windows, taper=job.taper, k_min=job.k_min, k_max=job.k_max)
        folder = stack.enter_context(_write.new_folder(job.out))
        model, pca = _fit(spectra, job)
        um.save(folder / MODEL, model)
        (folder / RECORD).write_text(model.record.to_json() + "\n", encoding="utf-8")
        _draw(folder, image, model, pca)
        written = ", ".join(sorted(p.name for p in folder.iterdir()))
    click.echo("\n".join([*_text.findings(model, pca), f"wrote {job.out}: {written}"]))


def _fit(spectra: Samples, job: Job) -> tuple[Unmixing, PrincipalComponents | None]:
    """Return the model, and the principal components where there are some."""
    import unmix as um

    if job.method == "kmeans":
        return um.kmeans(spectra, job.n, rng=job.rng), None
    if job.method == "pca":
        model = um.pca(spectra, job.n, rng=job.rng)
        return model, model
    most = min(spectra.layout.n_samples - 1, spectra.layout.n_features)
    pca = um.pca(spectra, max(1, min(max(job.n, COMPONENTS), most)), rng=job.rng)
    return um.nfindr(spectra, job.n, average=job.average, pca=pca, rng=job.rng), pca


def _draw(folder: Path, image: Samples, model: Unmixing, pca: PrincipalComponents | None) -> None:
    import unmix as um

    draw: dict[str, Callable[[], Any]] = {"maps.png": lambda: um.plot.unmixing(model)}
    if isinstance(model, um.Endmembers):
        draw["abundances.png"] = lambda: um.plot.abundances(model, image=image)
    if pca is not None:
        draw["scree.png"] = lambda: um.plot.scree(pca)
        if model is not pca:
            draw["simplex.png"] = lambda: um.plot.simplex(model, pca)
    if model is not pca:
        draw["representatives.png"] = lambda: um.plot.representatives(
            um.representatives(model, image, 4)
        )
    for name, figure_of in draw.items():
        try:
            figure_of().savefig(folder / name, dpi=150)
        except UnmixError as error:  # such as an overlay of a map with three axes
            click.echo(f"without {name}: {error}", err=True)


@main.command(cls=Command)
@click.argument("file")
@AXES
@DEBUG
def info(file: str, axes: str | None, debug: bool) -> None:  # noqa: ARG001
    """Say what FILE holds: data (axes, type, units, range of the values) or a saved model."""
    from .io import _text

    click.echo("\n".join(_text.about(file, axes)))


if __name__ == "__main__":
    main(prog_name="unmix")
