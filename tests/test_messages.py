"""Every error of the public API: what came, what was expected, what to do; and no error without."""

from __future__ import annotations

import ast
import traceback
import warnings
from pathlib import Path

import array_api_strict
import numpy as np
import pytest

import unmix as um

ROOT = Path(um.__file__).parent
APART = (
    "_executors",
    "io",
    "plot",
    "ops",
    "host",
    "cuda",
    "synthetic",
    "cli.py",
    "reading.py",
    "_write.py",
    "_stored.py",
)
"""Modules with tests of their own for what they say."""

RNG = np.random.default_rng(0)
IMAGE, TABLE = RNG.random((20, 26)), RNG.random((12, 5))
WINDOWS = um.sliding_windows(IMAGE, (6, 8), 4)
SPECTRA = um.window_fft(WINDOWS)
SCAN = um.samples(RNG.random((4, 5, 6, 7)), 2)
MASK = np.ones((4, 5), bool)
MASK[0] = False
RECORD = um.pca(SPECTRA, 2).record
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # that so few sweeps agree
    POSTERIOR = um.bayesian_unmixing(TABLE, 2, max_iter=8)


def on_disk(values):
    """Return what is read block by block: no array of a namespace."""

    class Data:
        shape, dtype = values.shape, values.dtype

        def __getitem__(self, key):
            return values[key]

    return Data()


def with_nan(values, *place):
    values = values.copy()
    values[place] = np.nan
    return values


def strict(values, device=None):
    device = device and array_api_strict.Device(device)
    return array_api_strict.asarray(values, device=device)


def lazily(values):
    import dask.array as da

    return da.from_array(values)


def unknown_sizes(values):
    table = lazily(values)
    return table[table[:, 0] > 0.5]


def bare(call):
    """Call where no library for reading maps is installed."""

    def called():
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("unmix.decompose._common.find_spec", lambda name: None)
            call()

    return called


def run(record, data=IMAGE):
    return um.Pipeline.from_record(record).run(data)


def budget(n):
    with um.config.memory_budget(n):
        pass


def large_scan_fft():
    with um.config.memory_budget(1 << 20):
        um.scan_fft(um.samples(np.ones((16, 16, 32, 32)), 2))


def disc_left_out():
    return ~um.detector_mask(SCAN, outer=2)


def upper(samples):
    mask = np.zeros(samples.layout.map_shape, bool)
    mask[:1] = True
    return mask


# What is called, which error comes, and what its text says, in this order.
CASES = {
    # devices and dask
    "another device": (
        lambda: um.samples(TABLE, 1).on("tpu"),
        um.ParameterError,
        ("device is 'tpu'", "expected 'cuda'"),
    ),
    "samples of a namespace that moves its own": (
        lambda: um.samples(strict(TABLE), 1).on("cuda"),
        um.BackendError,
        ("of array_api_strict", "move the array to the GPU before making samples"),
    ),
    "keeping a dask array in a file": (
        lambda: um.samples(lazily(TABLE), 1).keep("kept.npy"),
        um.BackendError,
        ("of a dask array", "keep() leaves where Dask computes", "leave out= away"),
    ),
    "a dask array of unknown sizes": (
        lambda: um.samples(unknown_sizes(TABLE), 1),
        um.ShapeError,
        ("(nan, 5)", "expected known sizes", "call its compute_chunk_sizes()"),
    ),
    # descriptors
    "NMF of standardised samples": (
        lambda: um.nmf(SPECTRA.normalize("standard", over="feature"), 2),
        um.DataError,
        (
            "values below zero since normalize(kind='standard', over='feature')",
            "expected none",
            "transform('clip', low=0)",
        ),
    ),
    "a statistic of rings that there is not": (
        lambda: um.radial_profile(SCAN, statistic="median"),
        um.ParameterError,
        ("statistic is 'median'", "expected 'mean' or 'variance'"),
    ),
    "circles outside of the plane": (
        lambda: um.radial_profile(SCAN, center=(9, 3)),
        um.ParameterError,
        ("center is (9, 3)", "expected (y, x) inside of det_y and det_x", "in the axes' unit"),
    ),
    "circles about entries that are left out": (
        lambda: um.radial_profile(SCAN.features(disc_left_out()), r_max=1),
        um.ShapeError,
        ("radial_profile finds no entry", "leave fewer entries out"),
    ),
    "no angles": (
        lambda: um.polar_transform(SCAN, n_angles=0),
        um.ParameterError,
        ("n_angles is 0", "expected a whole number of at least 1"),
    ),
    "an order above what the angles show": (
        lambda: um.angular_orders(SCAN, (2, 6), n_angles=12),
        um.ParameterError,
        ("orders is (2, 6) at 12 angles", "from 0 to 5", "take more angles"),
    ),
    "a lag beyond the window": (
        lambda: um.correlation(WINDOWS, max_lag=6),
        um.ParameterError,
        ("max_lag is 6 px", "less than the window's 6 x 8"),
    ),
    "correlation of spectra, which share features": (
        lambda: um.correlation(SPECTRA),
        um.ShapeError,
        ("entries of the descriptor are left out, or share features", "needs all of a window"),
    ),
    "correlation with windows of another map": (
        lambda: um.correlation(WINDOWS, um.sliding_windows(IMAGE, (6, 8), 2)),
        um.ShapeError,
        ("of a map grid_y 4 x grid_x 5", "others of grid_y 8 x grid_x 10", "crop both"),
    ),
    "correlation with windows of another mask": (
        lambda: um.correlation(WINDOWS.where(upper(WINDOWS)), WINDOWS.where(~upper(WINDOWS))),
        um.ShapeError,
        ("leave no sample together", "keep at least one"),
    ),
    "a histogram of an image": (
        lambda: um.intensity_histogram(um.samples(IMAGE, 2)),
        um.ShapeError,
        ("expected samples with a descriptor", "unmix.sliding_windows"),
    ),
    "a histogram without bins": (
        lambda: um.intensity_histogram(WINDOWS, 0),
        um.ParameterError,
        ("n_bins is 0", "expected a whole number from 1 to 10000"),
    ),
    "a histogram of constants": (
        lambda: um.intensity_histogram(um.samples(np.ones((3, 4)), 1)),
        um.ParameterError,
        ("limits are 1 and 1", "the lower one first: all values are alike, so give limits"),
    ),
    "one limit": (
        lambda: um.intensity_histogram(WINDOWS, limits=(0,)),
        um.ParameterError,
        ("limits is (0,)", "expected two finite numbers, (low, high)"),
    ),
    "a symmetry that there is not": (
        lambda: um.symmetry_scores(WINDOWS, ("C4", "C5/2")),
        um.ParameterError,
        ("symmetries is ('C4', 'C5/2') at 120 angles", "expected different ones of C2, C3"),
    ),
    "a search beyond the window": (
        lambda: um.symmetry_scores(WINDOWS, search=5),
        um.ParameterError,
        ("search is 5 px", "less than the largest radius 2", "1000 centres 1 apart"),
    ),
    # several descriptors or images, and what is left out
    "a channel that there is not": (
        lambda: um.samples(IMAGE, 2).to_descriptor("channel"),
        um.ParameterError,
        ("there is no map axis 'channel'", "there are y, x"),
    ),
    "the only map axis as a descriptor": (
        lambda: um.samples(TABLE, 1).to_descriptor("site"),
        um.ShapeError,
        ("site is the only map axis", "expected another one"),
    ),
    "no sample with all channels": (
        lambda: SCAN.where(np.arange(4)[:, None] == np.arange(5) % 4).to_descriptor("scan_y"),
        um.ShapeError,
        ("no sample takes part at every entry of scan_y", "keep at least one"),
    ),
    "joining an array": (
        lambda: um.join(SCAN, TABLE),
        um.BackendError,
        ("expected Samples, but got ndarray", "unmix.samples"),
    ),
    "joining an image": (
        lambda: um.join(SCAN, um.samples(IMAGE, 2)),
        um.ShapeError,
        ("expected described samples", "the image"),
    ),
    "joining complex samples": (
        lambda: um.join(SPECTRA, um.window_fft(WINDOWS, output="complex")),
        um.DTypeError,
        ("these samples are complex", "output='amplitude'"),
    ),
    "joining one": (
        lambda: um.join(SCAN),
        um.ParameterError,
        ("one descriptor came", "two or more"),
    ),
    "a weight too few": (
        lambda: um.join(SCAN, SCAN, weights=(1,)),
        um.ParameterError,
        ("weights is (1,)", "a positive number for each of 2"),
    ),
    "putting one image together": (
        lambda: um.concat(SCAN),
        um.ParameterError,
        ("expected a list of samples, but got Samples",),
    ),
    "putting together what is described otherwise": (
        lambda: um.concat([SPECTRA, um.window_fft(WINDOWS, taper="boxcar")]),
        um.ShapeError,
        ("taper=hann", "taper=boxcar", "values described in the same way"),
    ),
    "an axis twice": (
        lambda: um.concat([SCAN, SCAN], along="det_y"),
        um.ParameterError,
        ("along is 'det_y'", "a name for the new axis, other than scan_y, scan_x, det_y, det_x"),
    ),
    "a coordinate too few": (
        lambda: um.concat([SCAN, SCAN], coordinate=[3]),
        um.ParameterError,
        ("coordinate is [3]", "a finite number for each of 2 images"),
    ),
    "taking an array apart": (
        lambda: um.split(TABLE),
        um.BackendError,
        ("expected a model, but got ndarray",),
    ),
    "taking one image apart": (
        lambda: um.split(um.pca(SCAN, 2)),
        um.ShapeError,
        ("of one descriptor of one image", "join or concat", "expected a model of what these gave"),
    ),
    "a sweep over nothing": (
        lambda: um.sweep(um.nmf, SCAN, []),
        um.ParameterError,
        ("numbers is empty", "at least one number of components"),
    ),
    "another word for NaN": (
        lambda: um.samples(TABLE, 1, nan="omit"),
        um.ParameterError,
        ("nan is 'omit'", "expected 'raise' or 'skip'"),
    ),
    "nothing but NaN": (
        lambda: um.samples(np.full((3, 4), np.nan), 1, nan="skip"),
        um.DataError,
        ("every sample holds NaN", "expected some finite ones"),
    ),
    # bayesian unmixing and extremes
    "one chain alone": (
        lambda: um.bayesian_unmixing(TABLE, 2, n_chains=1),
        um.ParameterError,
        ("n_chains is 1", "expected a whole number from 2", "chains that are compared"),
    ),
    "chains that agree better than they can": (
        lambda: um.bayesian_unmixing(TABLE, 2, r_hat=1),
        um.ParameterError,
        ("r_hat is 1", "expected a number above 1"),
    ),
    "endmembers that would be negative": (
        lambda: um.bayesian_unmixing(TABLE - 9, 2),
        um.DataError,
        ("the mean of the samples is negative at 5 of 5 features", "pass nonnegative=False"),
    ),
    "a level that is no probability": (
        lambda: POSTERIOR.interval(90),
        um.ParameterError,
        ("level is 90", "expected a probability above 0 and below 1"),
    ),
    "an interval of a projected posterior": (
        lambda: POSTERIOR.project(TABLE).interval(),
        um.ParameterError,
        ("this posterior was projected", "has no draws", "run bayesian_unmixing on these samples"),
    ),
    "no skewers": (
        lambda: um.ppi(TABLE, 2, n_skewers=0),
        um.ParameterError,
        ("n_skewers is 0", "expected a whole number from 1", "random directions"),
    ),
    # reading maps: edits, regions, areas, labels
    "a component that there is not": (
        lambda: um.pca(TABLE, 2).select([2]),
        um.ParameterError,
        ("components is [2]", "expected 1 or more of the numbers 0 to 1", "Component 0"),
    ),
    "merging principal components": (
        lambda: um.pca(TABLE, 3).merge([0, 1]),
        um.ParameterError,
        ("do not add up to one of their kind", "expected endmembers", "drop()"),
    ),
    "groups that share a component": (
        lambda: um.kmeans(TABLE, 3).merge([0, 1], [1, 2]),
        um.ParameterError,
        ("the groups are ([0, 1], [1, 2])", "expected some that share no component"),
    ),
    "two components of one name": (
        lambda: um.pca(TABLE, 2).rename(["a", "a"]),
        um.ParameterError,
        ("names are ['a', 'a']", "expected 2 different names"),
    ),
    "too few colours": (
        lambda: um.pca(TABLE, 2).recolor([1]),
        um.ParameterError,
        ("colors is [1]", "expected 2 different whole numbers from 0"),
    ),
    "residuals of no model": (
        lambda: um.residual_map(TABLE, TABLE),
        um.ParameterError,
        ("expected a fitted model", "but got ndarray"),
    ),
    "residuals of other samples": (
        lambda: um.residual_map(TABLE[:5], um.pca(TABLE, 2)),
        um.ShapeError,
        ("a map of (5,) and the model one of (12,)", "model.project(samples)"),
    ),
    "classes of principal components": (
        lambda: um.classify(um.pca(SCAN, 2)),
        um.ParameterError,
        ("do not say which component a sample is of", "expected abundances, factors or clusters"),
    ),
    "a least map that is no number": (
        lambda: um.classify(um.kmeans(SCAN, 2), least="half"),
        um.ParameterError,
        ("least is 'half'", "expected a number or 'otsu'"),
    ),
    "a lead below zero": (
        lambda: um.classify(um.kmeans(SCAN, 2), lead=-1),
        um.ParameterError,
        ("lead is -1", "expected zero or more"),
    ),
    "regions on a line": (
        lambda: um.classify(um.kmeans(TABLE, 2)),
        um.ShapeError,
        ("the map has the shape (12,)", "expected (..., y, x)", "lie in a plane"),
    ),
    "a percentile of 200": (
        lambda: um.threshold(IMAGE, percentile=200),
        um.ParameterError,
        ("percentile is 200", "expected a number from 0 to 100"),
    ),
    "a threshold that is a word": (
        lambda: um.threshold(IMAGE, "half"),
        um.ParameterError,
        ("at is 'half'", "expected a number or 'otsu'"),
    ),
    "Otsu's threshold of one value": (
        lambda: um.threshold(np.ones((4, 5))),
        um.DataError,
        ("all 20 values are the same", "give one as a number"),
    ),
    "labels of another size": (
        lambda: um.regions(SCAN, np.zeros(7, int)),
        um.ShapeError,
        ("the labels have shape (7,)", "that of the map, (4, 5)", "each of the 20 samples"),
    ),
    "labels that are no whole numbers": (
        lambda: um.regions(SCAN, np.zeros((4, 5))),
        um.ParameterError,
        ("the labels have dtype float64", "expected whole numbers"),
    ),
    "labels on no map": (
        lambda: um.regions(TABLE, np.zeros(12, int)),
        um.ParameterError,
        ("expected the samples or the model that the labels lie on", "but got"),
    ),
    "too few names of classes": (
        lambda: um.regions(SCAN, np.full((4, 5), 2), names=["a"]),
        um.ParameterError,
        ("names are ['a']", "expected one for each of 3 classes"),
    ),
    "a disc without a radius": (
        lambda: um.classify(um.kmeans(SCAN, 2)).opened(0),
        um.ParameterError,
        ("radius is 0", "expected a number from 1, in entries of the map"),
    ),
    "pixels of a scan": (
        lambda: um.classify(um.kmeans(SCAN, 2)).on_pixels(),
        um.ShapeError,
        ("is no map of windows", "its entries are its pixels already"),
    ),
    "watersheds without scikit-image": (
        bare(lambda: um.classify(um.kmeans(SCAN, 2)).watershed()),
        um.BackendError,
        ("watersheds need scikit-image", 'pip install "unmix[reading]"'),
    ),
    "silhouettes without scikit-learn": (
        bare(lambda: um.silhouette(TABLE, um.kmeans(TABLE, 2))),
        um.BackendError,
        ("silhouettes need scikit-learn", 'pip install "unmix[reading]"'),
    ),
    "agglomerative clusters without scikit-learn": (
        bare(lambda: um.agglomerative(TABLE, 2)),
        um.BackendError,
        ("agglomerative clusters need scikit-learn", 'pip install "unmix[reading]"'),
    ),
    "another linkage": (
        lambda: um.agglomerative(TABLE, 2, linkage="median"),
        um.ParameterError,
        ("linkage is 'median'", "expected 'ward', 'average', 'complete' or 'single'"),
    ),
    "a silhouette of one class": (
        lambda: um.silhouette(TABLE, np.zeros(12, int)),
        um.ParameterError,
        ("the samples are of 1 classes", "expected at least two"),
    ),
    "another distance of groups": (
        lambda: um.hierarchy(um.kmeans(TABLE, 2), "median"),
        um.ParameterError,
        ("method is 'median'", "expected 'ward', 'average', 'complete' or 'single'"),
    ),
    "a tree of one component": (
        lambda: um.hierarchy(um.kmeans(TABLE, 1)),
        um.ParameterError,
        ("<Clusters: 1 maps of", "expected a model of at least two components"),
    ),
    "means of no class": (
        lambda: um.class_means(TABLE, np.full(12, -1)),
        um.ParameterError,
        ("no sample has a class", "expected labels from 0"),
    ),
    "areas of an array": (
        lambda: um.area_fractions(MASK.astype(int)),
        um.ParameterError,
        ("expected regions or clusters, but got ndarray", "unmix.classify", "unmix.regions"),
    ),
    "areas at a level of 95": (
        lambda: um.area_fractions(um.kmeans(SCAN, 2), level=95),
        um.ParameterError,
        ("level is 95", "expected a probability above 0 and below 1"),
    ),
    "matching by colour": (
        lambda: um.match_labels(um.kmeans(TABLE, 2), um.kmeans(TABLE, 2), by="color"),
        um.ParameterError,
        ("by is 'color'", "expected 'maps' or 'components'"),
    ),
    "matching a model to labels": (
        lambda: um.match_labels(um.kmeans(TABLE, 2), np.zeros(12, int)),
        um.ParameterError,
        ("got Clusters and ndarray", "expected two models, or the labels of both"),
    ),
    "matching labels by their components": (
        lambda: um.match_labels(np.zeros(3, int), np.zeros(3, int), by="components"),
        um.ParameterError,
        ("labels have no components", "expected two models"),
    ),
    "matching maps of other samples": (
        lambda: um.match_labels(um.kmeans(TABLE, 2), um.kmeans(TABLE[:9], 2), by="maps"),
        um.ShapeError,
        ("the maps have the shapes (12,) and (9,)", "or by='components'"),
    ),
    "matching labels of other samples": (
        lambda: um.match_labels(np.zeros(3, int), np.zeros(4, int)),
        um.ShapeError,
        ("the labels have the shapes (3,) and (4,)", "of the same samples"),
    ),
    "matching labels that are no numbers": (
        lambda: um.match_labels(np.zeros(3), np.zeros(3, int)),
        um.ParameterError,
        ("the labels have dtypes float64 and int64", "expected whole numbers"),
    ),
    "a line of one place": (
        lambda: um.line_profile(IMAGE, (1, 2), (1, 2)),
        um.ParameterError,
        ("start is (1, 2) and stop is (1, 2)", "expected two different places (y, x)"),
    ),
    "a line with no width": (
        lambda: um.line_profile(IMAGE, (1, 2), (3, 2), width=-1),
        um.ParameterError,
        ("width is -1", "expected zero or more"),
    ),
    "a line through a table": (
        lambda: um.line_profile(um.pca(TABLE, 2), (1, 2), (3, 2)),
        um.ShapeError,
        ("is no plane of one unit", "expected (..., y, x)"),
    ),
    # images
    "an image of lists": (
        lambda: um.sliding_windows([[1, 2], [3, 4]], 1, 1),
        um.BackendError,
        ("expected an image (..., y, x)", "but got list", "wrap it with numpy.asarray"),
    ),
    "a path": (
        lambda: um.sliding_windows("a.tif", 8, 8),
        um.BackendError,
        ("expected an image", "but got the path 'a.tif'", "read it with unmix.open"),
    ),
    "an image of one axis": (
        lambda: um.sliding_windows(np.ones(5), 2, 1),
        um.ShapeError,
        ("the image has shape (5,)", "expected (..., y, x)"),
    ),
    "samples of one axis": (
        lambda: um.sliding_windows(um.samples(np.ones(5), 1), 2, 1),
        um.ShapeError,
        ("expected an image (..., y, x)", "the map has the shape (5,)"),
    ),
    "described samples as an image": (
        lambda: um.sliding_windows(SPECTRA, 2, 1),
        um.ShapeError,
        ("expected an image", "described already (by k_y, k_x)", "cut windows before"),
    ),
    "a masked image": (
        lambda: um.sliding_windows(um.samples(IMAGE, 2).where(IMAGE > 0.9), 9, 2),
        um.ShapeError,
        ("every window holds a pixel that is left out", "take a smaller window"),
    ),
    "a boolean image": (
        lambda: um.sliding_windows(IMAGE > 0, 4, 2),
        um.DTypeError,
        ("the data is boolean", "expected integers or real floats", "astype('uint8')"),
    ),
    "a complex image": (
        lambda: um.sliding_windows(IMAGE + 0j, 4, 2),
        um.DTypeError,
        ("the data is complex (complex128)", "expected integers or real floats", "modulus"),
    ),
    "an image of text": (
        lambda: um.samples(np.array([["a", "b"]]), 2),
        um.DTypeError,
        ("the data has dtype <U1", "expected integers or real floats"),
    ),
    "complex data of a file": (
        lambda: um.samples(on_disk(IMAGE + 0j), 2),
        um.DTypeError,
        ("the data has dtype complex128", "expected integers or real floats"),
    ),
    "a masked array": (
        lambda: um.samples(np.ma.masked_array(TABLE, TABLE > 0.5), 1),
        um.DataError,
        ("the data is a masked array", "where(mask)", "features(mask)"),
    ),
    "an image with NaN": (
        lambda: um.sliding_windows(with_nan(IMAGE, [3, 9], 7), 4, 2),
        um.DataError,
        (
            "the data holds 2 values that are NaN or infinite, the first at (3, 7)",
            "expected finite",
        ),
    ),
    "data of a file with NaN": (
        lambda: um.pca(um.samples(on_disk(with_nan(TABLE, 7, 2)), 1), 2),
        um.DataError,
        (
            "the data holds 1 values",
            "the first at (7, 2)",
            "expected finite",
            "crop them away",
            "nan='skip'",
        ),
    ),
    # samples of any array
    "samples of a list": (
        lambda: um.samples([1, 2], 1),
        um.BackendError,
        ("expected an array, but got list", "wrap it with numpy.asarray"),
    ),
    "no samples": (
        lambda: um.samples(np.ones((0, 3)), 1),
        um.ShapeError,
        ("the array has shape (0, 3)", "expected at least one entry on every axis"),
    ),
    "a map axis that is not there": (
        lambda: um.samples(TABLE, (0, 2)),
        um.ShapeError,
        ("map_axes is (0, 2)", "expected different axes of an array with 2", "first ones"),
    ),
    "a map axis that is no number": (
        lambda: um.samples(TABLE, 1.5),
        um.ShapeError,
        ("map_axes is 1.5", "expected different axes of an array with 2"),
    ),
    "too few names": (
        lambda: um.samples(TABLE, 1, map_names=("y", "x")),
        um.ShapeError,
        ("map_names is ('y', 'x')", "expected 1 different names"),
    ),
    "too few pitches": (
        lambda: um.samples(TABLE, 1, pitch=(1, 2, 3)),
        um.ShapeError,
        ("pitch has 3 entries", "expected one for each of 2 axes"),
    ),
    "no pitch": (
        lambda: um.samples(TABLE, 1, pitch=0),
        um.ParameterError,
        ("pitch is 0", "expected positive numbers"),
    ),
    "coordinates of no axis": (
        lambda: um.samples(TABLE, 1, coordinates={"energy": range(5)}),
        um.ParameterError,
        ("coordinates name the axis 'energy'", "there are site, bin"),
    ),
    "too few coordinates": (
        lambda: um.samples(TABLE, 1, coordinates={"bin": [1, 2]}),
        um.ParameterError,
        ("the coordinates of bin are [1, 2]", "expected a finite number for each of 5 entries"),
    ),
    "coordinates of text": (
        lambda: um.samples(TABLE, 1, coordinates={"bin": ["a"] * 5}),
        um.ParameterError,
        ("the coordinates of bin are ['a'", "expected a finite number for each of 5 entries"),
    ),
    "a crop of coordinates that come back": (
        lambda: um.samples(TABLE, 1, coordinates={"bin": [1, 2, 3, 2, 1]}).crop(bin=(0, 1)),
        um.ShapeError,
        ("coordinates of bin that lie in 0.0 to 1.0", "no one block", "slice by position"),
    ),
    "a pitch of text": (
        lambda: um.samples(TABLE, 1, pitch="1 nm"),
        um.ParameterError,
        ("pitch is '1 nm'", "expected positive numbers"),
    ),
    # windows
    "a window larger than the image": (
        lambda: um.sliding_windows(IMAGE, (21, 4), 2),
        um.ShapeError,
        ("the window of 21 x 4 pixels is larger than the image of 20 x 26", "take a smaller"),
    ),
    "no step": (
        lambda: um.sliding_windows(IMAGE, 4, 0),
        um.ShapeError,
        ("window is (4, 4) and step is (0, 0) pixels", "expected whole numbers of at least 1"),
    ),
    "half a pixel": (
        lambda: um.sliding_windows(IMAGE, 4.5, 2),
        um.ShapeError,
        ("window is 4.5", "expected a whole number of pixels or two, (y, x)"),
    ),
    "three steps": (
        lambda: um.sliding_windows(IMAGE, 4, (1, 2, 3)),
        um.ShapeError,
        ("step is (1, 2, 3)", "expected a whole number of pixels or two, (y, x)"),
    ),
    "unknown edges": (
        lambda: um.sliding_windows(IMAGE, 4, 2, edges="mirror"),
        um.ParameterError,
        ("edges is 'mirror'", "expected 'valid', 'reflect', 'periodic' or 'constant'"),
    ),
    "overlap_add of an array": (
        lambda: um.overlap_add(IMAGE),
        um.BackendError,
        ("expected windows, but got ndarray", "unmix.sliding_windows(image, window, step)"),
    ),
    "overlap_add of spectra": (
        lambda: um.overlap_add(SPECTRA),
        um.ShapeError,
        ("expected windows (win_y, win_x) of a grid", "but got <Samples grid_y 4 x grid_x 5"),
    ),
    "overlap_add of some windows": (
        lambda: um.overlap_add(WINDOWS.where(MASK)),
        um.ShapeError,
        ("some windows are left out", "needs all of a grid"),
    ),
    "overlap_add of some pixels": (
        lambda: um.overlap_add(WINDOWS.features(np.arange(48).reshape(6, 8) % 2 > 0)),
        um.ShapeError,
        ("pixels of the windows are left out", "needs all of them"),
    ),
    # spectra
    "window_fft of an image": (
        lambda: um.window_fft(IMAGE),
        um.BackendError,
        ("expected windows, but got ndarray", "unmix.sliding_windows(image, window, step)"),
    ),
    "window_fft of spectra": (
        lambda: um.window_fft(SPECTRA),
        um.ShapeError,
        ("expected windows, from unmix.sliding_windows", "but got <Samples grid_y 4"),
    ),
    "window_fft of some pixels": (
        lambda: um.window_fft(WINDOWS.features(np.arange(48).reshape(6, 8) % 2 > 0)),
        um.ShapeError,
        ("pixels of the windows are left out", "needs all of them"),
    ),
    "a pad smaller than the window": (
        lambda: um.window_fft(WINDOWS, pad=(6, 7)),
        um.ShapeError,
        ("pad is (6, 7)", "expected at least the window's 6 x 8 pixels"),
    ),
    "a negative k": (
        lambda: um.window_fft(WINDOWS, k_min=-1, k_max=0.2),
        um.ParameterError,
        ("k_min is -1 and k_max is 0.2", "expected positive limits"),
    ),
    "an empty ring": (
        lambda: um.window_fft(WINDOWS, k_min=0.9, k_max=0.3),
        um.ShapeError,
        ("k_min=0.9 leaves no entry of the spectrum", "take a smaller one"),
    ),
    "an unknown taper": (
        lambda: um.window_fft(WINDOWS, taper="hanning"),
        um.ParameterError,
        ("taper is 'hanning'", "expected one of boxcar, hann, hamming"),
    ),
    "an unknown output": (
        lambda: um.window_fft(WINDOWS, output="abs"),
        um.ParameterError,
        ("output is 'abs'", "expected 'amplitude', 'power' or 'complex'"),
    ),
    "an unknown implementation": (
        lambda: um.window_fft(WINDOWS, impl="gpu"),
        um.ParameterError,
        ("window_fft has no implementation 'gpu'", "it has", "generic"),
    ),
    "an implementation for other arrays": (
        lambda: um.window_fft(
            um.sliding_windows(strict(IMAGE), 4, 2), impl="unmix.host.spectra:window_fft"
        ),
        um.BackendError,
        ("window_fft cannot run as", "here", "it is not for arrays of array_api_strict"),
    ),
    "an unknown operation": (
        lambda: um.explain("fft", IMAGE),
        um.ParameterError,
        ("there is no operation 'fft'", "there are", "window_fft"),
    ),
    "explain without arrays": (
        lambda: um.explain("window_fft", [1.0]),
        um.BackendError,
        ("expected an array of an Array API namespace", "but got list", "numpy.asarray"),
    ),
    # choosing samples and entries
    "a mask of another shape": (
        lambda: SPECTRA.where(MASK[1:]),
        um.ShapeError,
        ("the mask of samples has shape (3, 5)", "expected shape (4, 5) and bool"),
    ),
    "a mask of numbers": (
        lambda: SPECTRA.features(np.ones((6, 8))),
        um.ShapeError,
        ("the mask of descriptor entries has shape (6, 8) and dtype float64", "bool"),
    ),
    "masks that leave nothing": (
        lambda: SPECTRA.where(MASK).where(~MASK),
        um.ShapeError,
        ("the mask leaves no sample", "keep at least one"),
    ),
    "a block that leaves nothing": (
        lambda: SPECTRA.where(MASK)[0],
        um.ShapeError,
        ("every sample of the block is left out", "keep at least one"),
    ),
    "entries that leave nothing": (
        lambda: SPECTRA.features(np.zeros((6, 8), bool)),
        um.ShapeError,
        ("the selection leaves no entry of the descriptor", "keep at least one"),
    ),
    "too many indices": (
        lambda: SPECTRA[0, 0, 0, 0, 0],
        um.ShapeError,
        ("5 indices came for 4 axes of sizes (4, 5, 6, 8)",),
    ),
    "an index outside": (
        lambda: SPECTRA[:, 5],
        um.ShapeError,
        ("index 5 is outside of axis 1 of 5 entries",),
    ),
    "an empty slice": (
        lambda: SPECTRA[3:3],
        um.ShapeError,
        ("the slice slice(3, 3, None) of axis 0 of 4 entries is empty", "expected at least one"),
    ),
    "an index that is a mask": (
        lambda: SPECTRA[MASK],
        um.ShapeError,
        ("is a ndarray", "expected whole numbers and slices", "where() and features()"),
    ),
    "an axis that is not there": (
        lambda: SPECTRA.crop(k_z=(0, 1)),
        um.ParameterError,
        ("there is no axis 'k_z'", "there are grid_y, grid_x, k_y, k_x"),
    ),
    "one bound": (
        lambda: SPECTRA.crop(k_y=0.2),
        um.ParameterError,
        ("k_y is 0.2", "expected the lowest and the highest coordinate"),
    ),
    "a range without entries": (
        lambda: SPECTRA.crop(k_y=(2, 3)),
        um.ShapeError,
        ("no coordinate of k_y lies in 2.0 to 3.0", "they reach from -0.5 to 0.333333"),
    ),
    # changing values
    "normalizing complex values": (
        lambda: um.window_fft(WINDOWS, output="complex").normalize("minmax"),
        um.DTypeError,
        ("complex samples have no normalize", "take output='amplitude' first"),
    ),
    "an unknown kind": (
        lambda: SPECTRA.normalize("zscore"),
        um.ParameterError,
        ("kind is 'zscore'", "expected one of minmax, unit_sum, unit_norm, standard"),
    ),
    "an unknown over": (
        lambda: SPECTRA.normalize("minmax", over="image"),
        um.ParameterError,
        ("over is 'image'", "expected 'sample', 'feature', 'all' or one of", "grid_y, grid_x"),
    ),
    "an unknown transform": (
        lambda: SPECTRA.transform("log"),
        um.ParameterError,
        ("transform is 'log'", "expected one of log1p, sqrt, clip"),
    ),
    "the root of negative values": (
        lambda: um.samples(TABLE - 0.5, 1).transform("sqrt").to_array(),
        um.DataError,
        ("sqrt of -0.", "is not a number", "clip the values at zero first"),
    ),
    # tables
    "a table of three axes": (
        lambda: um.pca(np.ones((3, 4, 5)), 1),
        um.ShapeError,
        ("the table has shape (3, 4, 5)", "expected (sample, feature)", "unmix.samples(array"),
    ),
    "a table of lists": (
        lambda: um.kmeans([[1.0], [2.0]], 1),
        um.BackendError,
        ("expected Samples or a table (sample, feature)", "but got list", "numpy.asarray"),
    ),
    "a fit of an image": (
        lambda: um.nfindr(um.samples(IMAGE, 2), 2),
        um.ShapeError,
        ("an image of (20, 26) with no descriptor", "unmix.window_fft(unmix.sliding_windows(im"),
    ),
    "a fit of complex values": (
        lambda: um.pca(um.window_fft(WINDOWS, output="complex"), 2),
        um.DTypeError,
        ("these samples are complex", "decompositions are of real", "output='amplitude' or"),
    ),
    "one sample": (
        lambda: um.pca(TABLE[:1], 1),
        um.ShapeError,
        ("there is 1 sample", "expected at least two", "take a smaller window or step"),
    ),
    # decompositions
    "too many components": (
        lambda: um.pca(TABLE, 6),
        um.ParameterError,
        ("n_components is 6", "expected a whole number from 1 to 5", "12 samples with 5 feat"),
    ),
    "an unknown solver": (
        lambda: um.pca(TABLE, 2, solver="arpack"),
        um.ParameterError,
        ("solver is 'arpack'", "expected 'auto', 'covariance' or 'randomized'"),
    ),
    "an unknown noise": (
        lambda: um.pca(TABLE, 2, noise="gaussian"),
        um.ParameterError,
        ("noise is 'gaussian'", "expected None or 'poisson'"),
    ),
    "a loss that is no fraction": (
        lambda: um.pca(TABLE, 2, loss=1),
        um.ParameterError,
        ("loss is 1", "expected a fraction from 0 to below 1"),
    ),
    "counts below zero": (
        lambda: um.pca(TABLE - 0.5, 2, noise="poisson"),
        um.DataError,
        ("the least value is -0.", "expected no value below zero", "leave noise out"),
    ),
    "no counts": (
        lambda: um.pca(np.zeros((4, 3)), 2, noise="poisson"),
        um.DataError,
        ("all values are zero", "expected some counts"),
    ),
    # the noise of counts, of nmf and ica
    "an unknown noise of nmf": (
        lambda: um.nmf(TABLE, 2, noise="gaussian"),
        um.ParameterError,
        ("noise is 'gaussian'", "expected None or 'poisson'"),
    ),
    "a divergence of scaled counts": (
        lambda: um.nmf(TABLE, 2, loss="kullback-leibler", noise="poisson"),
        um.ParameterError,
        ("noise='poisson' came with loss='kullback-leibler'", "likelihood", "leave noise out"),
    ),
    "the signal-to-noise ratio of scaled counts": (
        lambda: um.vca(TABLE, 3, pca=um.pca(TABLE, 2, noise="poisson")),
        um.ParameterError,
        ("pca was fitted with noise='poisson'", "fit it without, or leave pca out"),
    ),
    "a posterior of scaled counts": (
        lambda: um.bayesian_unmixing(TABLE, 3, pca=um.pca(TABLE, 2, noise="poisson")),
        um.ParameterError,
        ("pca was fitted with noise='poisson'", "fit it without, or leave pca out"),
    ),
    "a noise beside a pca": (
        lambda: um.ica(TABLE, 2, noise="poisson", pca=um.pca(TABLE, 2)),
        um.ParameterError,
        ("noise is 'poisson', and pca is given", "expected one of them", "fit the pca with noise"),
    ),
    "a negative rng": (
        lambda: um.pca(TABLE, 2, rng=-1),
        um.ParameterError,
        ("rng is -1", "expected a whole number from 0 to 2**63 - 1", "numpy.random.Generator"),
    ),
    "more endmembers than samples": (
        lambda: um.nfindr(TABLE[:3], 4),
        um.ParameterError,
        ("n_endmembers is 4", "expected a whole number from 2 to 3", "(3 samples with"),
    ),
    "a constant table": (
        lambda: um.nfindr(np.ones((9, 4)), 2),
        um.DataError,
        ("the samples span 0 dimensions", "expected 1", "ask for 1 fewer"),
    ),
    "independent components of samples that are alike": (
        lambda: um.ica(np.ones((9, 5)), 2),
        um.DataError,
        ("the samples span 0 dimensions", "expected 2", "ask for 2 fewer"),
    ),
    "a pca that is none": (
        lambda: um.nfindr(TABLE, 3, pca=um.kmeans(TABLE, 2)),
        um.ParameterError,
        ("pca is <Clusters", "expected what unmix.pca returns"),
    ),
    "a pca of other samples": (
        lambda: um.nfindr(SPECTRA.where(MASK), 3, pca=um.pca(SPECTRA, 2)),
        um.ShapeError,
        ("pca is of 20 samples of a map (4, 5)", "expected a model of these 15", "same mask"),
    ),
    "a pca of other data": (
        lambda: um.nfindr(SPECTRA, 3, pca=um.pca(SPECTRA.transform("sqrt"), 2)),
        um.ShapeError,
        ("pca was fitted to other data", "expected a model of the same", "leave it out"),
    ),
    "samples described in another way than a model's": (
        lambda: um.pca(SPECTRA, 2).project(SPECTRA.transform("sqrt")),
        um.ShapeError,
        ("the samples are described by", "but the model by", "describe both in the same way"),
    ),
    "a limit that keeps only k = 0": (
        lambda: um.window_fft(WINDOWS, k_max=0.01),
        um.ParameterError,
        ("k_max=0.01 1/px keeps only k = 0", "steps of", "take a larger one"),
    ),
    "a model in place of its record": (
        lambda: um.Pipeline.from_record(um.pca(TABLE, 2)),
        um.ParameterError,
        ("got PrincipalComponents", "expected the record", "result.record"),
    ),
    "an image with x before y": (
        lambda: um.sliding_windows(um.samples(IMAGE, 2, map_names=["x", "y"]), 4, 2),
        um.ShapeError,
        ("(..., x, y)", "expected y before x", "transpose"),
    ),
    "a model in place of samples": (
        lambda: um.kmeans(um.pca(TABLE, 2), 2),
        um.BackendError,
        ("got <PrincipalComponents", "expected samples", "its scores"),
    ),
    "samples as an array": (
        lambda: np.asarray(SPECTRA),
        um.BackendError,
        ("samples are no array", "call to_array()"),
    ),
    "a pca with too few components": (
        lambda: um.nfindr(TABLE, 4, pca=um.pca(TABLE, 2)),
        um.ParameterError,
        ("pca has 2 components", "expected a centred model with at least 3"),
    ),
    "an unknown constraint": (
        lambda: um.abundances(TABLE, TABLE[:2], constraint="simplex"),
        um.ParameterError,
        ("constraint is 'simplex'", "expected one of sum_to_one, nonnegative, none"),
    ),
    "endmembers of lists": (
        lambda: um.abundances(TABLE, [[1.0] * 5]),
        um.BackendError,
        ("expected the endmembers as a model or an array", "but got list", "numpy.asarray"),
    ),
    "endmembers of another length": (
        lambda: um.abundances(TABLE, np.eye(4)),
        um.ShapeError,
        ("the endmembers have shape (4, 4)", "expected (k, 5)", "one full descriptor each"),
    ),
    "endmembers of another descriptor": (
        lambda: um.abundances(um.window_fft(WINDOWS, pad=16), um.nfindr(SPECTRA, 2)),
        um.ShapeError,
        ("described by k_y 16 x k_x 16", "the model by k_y 6 x k_x 8", "in the same way"),
    ),
    "endmembers of other entries": (
        lambda: um.abundances(um.window_fft(WINDOWS, k_min=0.2), um.nfindr(SPECTRA, 2)),
        um.ShapeError,
        ("leave out other entries of the descriptor", "use the same masks, k_min and k_max"),
    ),
    "equal endmembers": (
        lambda: um.abundances(TABLE, np.ones((2, 5))),
        um.DataError,
        ("the 2 endmembers are affinely dependent", "drop duplicates"),
    ),
    "endmembers of another namespace": (
        lambda: um.abundances(TABLE, strict(TABLE[:2])),
        um.BackendError,
        ("from different namespaces", "numpy.ndarray", "convert them to one before the call"),
    ),
    "endmembers on another device": (
        lambda: um.abundances(strict(TABLE, "device1"), strict(TABLE[:2])),
        um.BackendError,
        ("on different devices", "device1", "move them to one before the call"),
    ),
    "more clusters than samples": (
        lambda: um.kmeans(TABLE, 13),
        um.ParameterError,
        ("n_clusters is 13", "expected a whole number from 1 to 12", "(12 samples)"),
    ),
    "more clusters than different samples": (
        lambda: um.kmeans(np.repeat(TABLE[:2], 4, axis=0), 3),
        um.DataError,
        ("the 8 samples are only 2 different ones for 3 clusters", "ask for at most 2"),
    ),
    "a negative tolerance": (
        lambda: um.kmeans(TABLE, 2, tol=-1),
        um.ParameterError,
        ("tol is -1", "expected zero or more"),
    ),
    "an unknown start": (
        lambda: um.kmeans(TABLE, 2, init="pca"),
        um.ParameterError,
        ("init is 'pca'", "expected 'k-means++', a model or an array"),
    ),
    "too few centres": (
        lambda: um.kmeans(TABLE, 3, init=TABLE[:2]),
        um.ParameterError,
        ("init has 2 centres", "expected n_clusters=3"),
    ),
    "a mixture of unknown covariance": (
        lambda: um.gmm(TABLE, 2, covariance="free"),
        um.ParameterError,
        ("covariance is 'free'", "expected one of full, tied, diag, spherical, low_rank"),
    ),
    "a rank of full covariances": (
        lambda: um.gmm(TABLE, 2, rank=3),
        um.ParameterError,
        ("rank is 3 with covariance='full'", "expected none, or covariance='low_rank'"),
    ),
    "a mixture that is not regularised": (
        lambda: um.gmm(TABLE, 2, regularization=0),
        um.ParameterError,
        ("regularization is 0", "expected more", "no density"),
    ),
    "a mixture of nothing": (
        lambda: um.gmm(0 * TABLE, 1),
        um.DataError,
        ("all samples are the same", "expected some variance"),
    ),
    "a mixture from an unknown start": (
        lambda: um.gmm(TABLE, 2, init="random"),
        um.ParameterError,
        ("init is 'random'", "expected 'kmeans', a model or an array"),
    ),
    "full covariances of many features": (
        lambda: um.gmm(np.eye(2, 6000), 2),
        um.ParameterError,
        ("covariances of 6000 x 6000 features for 2 classes", "expected covariance='low_rank'"),
    ),
    "a table of no mixtures": (
        lambda: um.gmm_table(TABLE, []),
        um.ParameterError,
        ("n_clusters is empty", "expected numbers of classes: range(1, 9)"),
    ),
    "an unknown criterion": (
        lambda: um.gmm_table(TABLE, [1]).best("aic"),
        um.ParameterError,
        ("criterion is 'aic'", "expected 'bic' or 'icl'"),
    ),
    "an unknown contrast": (
        lambda: um.ica(TABLE, 2, contrast="cube"),
        um.ParameterError,
        ("contrast is 'cube'", "expected 'logcosh' or 'exp'"),
    ),
    "factors of an unknown loss": (
        lambda: um.nmf(TABLE, 2, loss="l2"),
        um.ParameterError,
        ("loss is 'l2'", "expected one of frobenius, kullback-leibler"),
    ),
    "factors with a negative tolerance": (
        lambda: um.nmf(TABLE, 2, tol=float("nan")),
        um.ParameterError,
        ("tol is nan", "expected zero or more"),
    ),
    "factors of values below zero": (
        lambda: um.nmf(TABLE - 1, 2),
        um.DataError,
        ("the samples hold values down to -0.", "expected none below zero", "'amplitude'"),
    ),
    "factors of nothing": (
        lambda: um.nmf(0 * TABLE, 2),
        um.DataError,
        ("all values of the samples are zero", "expected some signal"),
    ),
    "factors from an unknown start": (
        lambda: um.nmf(TABLE, 2, init="svd"),
        um.ParameterError,
        ("init is 'svd'", "expected one of nndsvda, random, nfindr, or a model of these samples"),
    ),
    "factors from too few": (
        lambda: um.nmf(TABLE, 3, init=um.nmf(TABLE, 2)),
        um.ParameterError,
        ("init has 2 components", "expected n_components=3"),
    ),
    "factors from another map": (
        lambda: um.nmf(TABLE, 2, init=um.nmf(TABLE[:8], 2)),
        um.ShapeError,
        ("init is of a map (8,)", "expected a model of these samples of (12,)"),
    ),
    "the rank of a line": (
        lambda: um.rank(TABLE[:, :1]),
        um.ShapeError,
        ("12 samples with 1 features", "expected at least 3 samples with at least 2"),
    ),
    "the rank of nothing": (
        lambda: um.rank(0 * TABLE + 3),
        um.DataError,
        ("all 12 samples are the same", "expected some that differ", "a constant image"),
    ),
    "a rank of too many": (
        lambda: um.rank(TABLE, 5),
        um.ParameterError,
        ("most is 5", "expected a whole number from 1 to 4 (12 samples with 5 features)"),
    ),
    "a rank by too few": (
        lambda: um.rank(TABLE, 3, pca=um.pca(TABLE, 3)),
        um.ParameterError,
        ("pca has 3 components", "expected a centred model with at least 4"),
    ),
    "a rank with negative noise": (
        lambda: um.rank(TABLE, noise=-1),
        um.ParameterError,
        ("noise is -1", "expected zero or more"),
    ),
    # families and comparisons
    "an unknown group": (
        lambda: um.match_components(IMAGE[None], "D6"),
        um.ParameterError,
        ("group is 'D6'", "expected 'C1' to 'C360' for turns", "'C6v'", "turns and mirrors"),
    ),
    "an unknown measure": (
        lambda: um.match_components(IMAGE[None], measure="mse"),
        um.ParameterError,
        ("measure is 'mse'", "expected 'ncc' or 'ssim'"),
    ),
    "matching lists": (
        lambda: um.match_components([[[1.0]]]),
        um.BackendError,
        ("expected a model or an array (k, y, x)", "but got list", "numpy.asarray"),
    ),
    "matching one image": (
        lambda: um.match_components(IMAGE),
        um.ShapeError,
        ("components have shape (20, 26)", "expected (k, y, x)"),
    ),
    "matching curves": (
        lambda: um.match_components(um.pca(TABLE, 2)),
        um.ShapeError,
        ("described by feature 5", "expected two axes of one unit", "only images can be turned"),
    ),
    "matching about no pixel": (
        lambda: um.match_components(IMAGE[None], center=3),
        um.ParameterError,
        ("center is 3", "expected a pixel (y, x)"),
    ),
    "matching about no line": (
        lambda: um.match_components(IMAGE[None], mirror=float("nan")),
        um.ParameterError,
        ("mirror is nan", "expected an angle in degrees, or None"),
    ),
    "matching about the border": (
        lambda: um.match_components(IMAGE[None], center=(0, 3)),
        um.ShapeError,
        ("no circle fits about the centre (0, 3)", "(20, 26) pixels", "at least a pixel"),
    ),
    "matching what is flat": (
        lambda: um.match_components(np.stack([IMAGE, 0 * IMAGE + 2])),
        um.DataError,
        ("component 1 is constant inside the circle", "leave it out"),
    ),
    "matching what was left out": (
        lambda: um.match_components(np.where(np.arange(26) < 13, IMAGE, np.nan)[None], "C2"),
        um.ShapeError,
        ("no entries of the components are left", "turned by the group", "a smaller group"),
    ),
    "a comparison of one method": (
        lambda: um.compare(TABLE, um.pca),
        um.ParameterError,
        ("methods is a function or empty", "expected a dict of names and", "'N-FINDR'"),
    ),
    "a comparison of a table": (
        lambda: um.compare(TABLE, {"none": lambda samples: TABLE}),
        um.ParameterError,
        ("the method 'none' gave ndarray", "expected a model with maps and components"),
    ),
    "a comparison with a model of other samples": (
        lambda: um.compare(TABLE, {"PCA": um.pca(TABLE[:8], 2)}),
        um.ShapeError,
        ("the model 'PCA' is of 8 samples of a map (8,)", "expected one of these 12 of (12,)"),
    ),
    "projecting an image": (
        lambda: um.pca(TABLE, 2).project(um.samples(IMAGE, 2)),
        um.ShapeError,
        ("an image of (20, 26) with no descriptor", "cut windows first"),
    ),
    # images and patterns made ready
    "an unknown background": (
        lambda: um.flatten(IMAGE, "median"),
        um.ParameterError,
        ("method is 'median'", "expected 'plane', 'gaussian' or 'dog'"),
    ),
    "a band pass that divides": (
        lambda: um.flatten(IMAGE, "dog", sigma=(1, 2), how="divide"),
        um.ParameterError,
        ("how is 'divide'", "expected 'subtract' or 'divide', and of 'dog' only 'subtract'"),
    ),
    "a Gaussian of no width": (
        lambda: um.flatten(IMAGE, "gaussian"),
        um.ParameterError,
        ("sigma is None", "expected none for 'plane', one for 'gaussian', and a smaller"),
    ),
    "a band pass with its widths the wrong way round": (
        lambda: um.flatten(IMAGE, "dog", sigma=(5, 2)),
        um.ParameterError,
        ("sigma is (5, 2)", "expected a smaller and a larger one"),
    ),
    "a width that is no length": (
        lambda: um.flatten(IMAGE, "gaussian", sigma="wide"),
        um.ParameterError,
        ("sigma is 'wide'", "expected a number of pixels", "'3 nm'", "above zero"),
    ),
    "a width for more axes than two": (
        lambda: um.flatten(IMAGE, "dog", sigma=((1, 1, 1), 2)),
        um.ParameterError,
        ("sigma is (1, 1, 1)", "expected one length or two, (y, x)"),
    ),
    "a width in a unit that the image has not": (
        lambda: um.flatten(IMAGE, "gaussian", sigma="3 nm"),
        um.ParameterError,
        ("sigma is given in nm", "y axis is in px", "give pixels, or the image its pitch"),
    ),
    "a background below zero to divide by": (
        lambda: um.flatten(IMAGE - 5, "gaussian", sigma=2, how="divide"),
        um.DataError,
        ("the background falls to -", "expected none below zero", "how='subtract'"),
    ),
    "an infinite pixel": (
        lambda: um.despike(np.full((4, 4), np.inf)),
        um.DataError,
        ("the image holds infinite values", "NaN where pixels are missing"),
    ),
    "a threshold of nothing": (
        lambda: um.despike(IMAGE, threshold=0),
        um.ParameterError,
        ("threshold is 0", "expected a number above zero"),
    ),
    "an even neighbourhood": (
        lambda: um.despike(IMAGE, size=4),
        um.ParameterError,
        ("size is 4", "expected an odd number of pixels from 3"),
    ),
    "a slope of an array": (
        lambda: um.detrend(IMAGE),
        um.BackendError,
        ("expected windows, but got ndarray", "unmix.sliding_windows(image, window, step)"),
    ),
    "a slope of spectra": (
        lambda: um.detrend(SPECTRA),
        um.ShapeError,
        ("expected windows, from unmix.sliding_windows", "k_y 6 x k_x 8"),
    ),
    "a slope of windows with holes": (
        lambda: um.detrend(WINDOWS.features(np.arange(48).reshape(6, 8) > 3)),
        um.ShapeError,
        ("pixels of the windows are left out", "whole ones"),
    ),
    "windows of an image without a lattice": (
        lambda: um.sliding_windows(RNG.random((60, 70))),
        um.ParameterError,
        ("no lattice of 2 to 10 pixels stands out", "give the window in pixels or in the image"),
    ),
    "all components dropped": (
        lambda: um.nmf(TABLE, 2, rng=0).drop([1, 0]),
        um.ParameterError,
        ("to drop [1, 0] leaves no component", "keep at least one"),
    ),
    "windows of an image too small for a lattice": (
        lambda: um.sliding_windows(RNG.random((11, 70))),
        um.ParameterError,
        ("the image has 11 x 70 pixels", "too few for 6 periods", "give the window in pixels"),
    ),
    "a window in no unit at all": (
        lambda: um.sliding_windows(IMAGE, "wide"),
        um.ParameterError,
        ("window is 'wide'", "expected a number of pixels", "'3 nm' or '6 periods'", "above zero"),
    ),
    "a beam found in an unknown way": (
        lambda: um.find_beam(SCAN, "circles"),
        um.ParameterError,
        ("method is 'circles' and smooth is None", "expected 'center_of_mass' or 'correlation'"),
    ),
    "a beam's disc without a radius": (
        lambda: um.find_beam(SCAN, "correlation"),
        um.ParameterError,
        ("radius is None", "expected that of the beam's disc, in the detector's unit"),
    ),
    "a beam in a mask of another detector": (
        lambda: um.find_beam(SCAN, mask=np.ones((7, 6), bool)),
        um.ShapeError,
        ("the mask has shape (7, 6) and dtype bool", "detector's shape (6, 7)"),
    ),
    "a beam in spectra": (
        lambda: um.find_beam(SPECTRA),
        um.ShapeError,
        ("entries of the descriptor are left out, or share features", "move patterns before that"),
    ),
    "an unknown interpolation": (
        lambda: um.center_beam(SCAN, interpolation="cubic"),
        um.ParameterError,
        ("interpolation is 'cubic'", "expected 'bilinear' or 'fourier'"),
    ),
    "positions and how to find them": (
        lambda: um.center_beam(SCAN, um.find_beam(SCAN), smooth="plane"),
        um.ParameterError,
        ("positions came with smooth", "expected either positions", "or how to find them"),
    ),
    "positions of another map": (
        lambda: um.center_beam(SCAN, um.find_beam(SCAN[:3])),
        um.ShapeError,
        ("positions are <Samples scan_y 3", "expected those of a map (4, 5) in px"),
    ),
    "no beam anywhere": (
        lambda: um.center_beam(um.samples(np.zeros((2, 3, 4, 5)), 2)),
        um.DataError,
        ("no pattern holds a beam", "expected counts above zero in the mask"),
    ),
    "a distortion that is no matrix": (
        lambda: um.affine(SCAN, [1, 2]),
        um.ParameterError,
        ("matrix is [1, 2]", "expected finite numbers of shape (2, 2)"),
    ),
    "a distortion by text": (
        lambda: um.affine(SCAN, np.eye(2), center="ab"),
        um.ParameterError,
        ("center is 'ab'", "expected finite numbers of shape (2,)"),
    ),
    "a distortion to a line": (
        lambda: um.affine(SCAN, [[1, 1], [1, 1]]),
        um.ParameterError,
        ("matrix is [[1.0, 1.0], [1.0, 1.0]]", "expected one that has an inverse"),
    ),
    "an ellipse without width": (
        lambda: um.ellipse(0, 30),
        um.ParameterError,
        ("ratio is 0 and angle is 30", "expected a ratio above zero and degrees"),
    ),
    # scans and detectors
    "a bin of an axis that is not there": (
        lambda: SCAN.bin(k_y=2),
        um.ParameterError,
        ("there is no axis 'k_y'", "there are scan_y, scan_x, det_y, det_x"),
    ),
    "a bin larger than the axis": (
        lambda: SCAN.bin(det_y=7),
        um.ParameterError,
        ("det_y is 7", "expected a whole number from 1 to 6", "how many of its entries become one"),
    ),
    "an unknown way to bin": (
        lambda: SCAN.bin(how="max", det_y=2),
        um.ParameterError,
        ("how is 'max'", "expected 'sum' or 'mean'"),
    ),
    "bins of a masked map": (
        lambda: SCAN.where(np.arange(20).reshape(4, 5) > 3).bin(scan_y=2),
        um.ShapeError,
        ("some samples are left out", "bin the map first, and mask it then"),
    ),
    "bins of half planes": (
        lambda: SPECTRA.bin(k_y=2),
        um.ShapeError,
        ("entries of the descriptor are left out, or share features", "bin before that"),
    ),
    "a mask of an array": (
        lambda: um.detector_mask(IMAGE, outer=3),
        um.BackendError,
        ("expected Samples, but got ndarray", "unmix.samples(array, map_axes)"),
    ),
    "a mask of one axis": (
        lambda: um.detector_mask(um.samples(TABLE, 1), outer=3),
        um.ShapeError,
        ("expected samples with two descriptor axes of one unit", "but got <Samples site 12"),
    ),
    "a centre of text": (
        lambda: um.detector_mask(SCAN, center=("a", 2), outer=3),
        um.ParameterError,
        ("center is ('a', 2)", "expected two coordinates, (y, x), and two radii"),
    ),
    "an outer radius inside the inner": (
        lambda: um.detector_mask(SCAN, inner=3, outer=3),
        um.ParameterError,
        ("inner is 3 and outer is 3", "expected 0 <= inner < outer"),
    ),
    "a ring outside of the detector": (
        lambda: um.detector_mask(SCAN, inner=30),
        um.ShapeError,
        ("no entry of the detector lies 30 to inf px from (2.5, 3.0)", "give center, inner and"),
    ),
    "a mask of another detector": (
        lambda: um.virtual_image(SCAN, np.ones((7, 6), bool)),
        um.ShapeError,
        ("the mask has shape (7, 6) and dtype bool", "descriptor's shape (6, 7)", "(n, ...)"),
    ),
    "a mask of zeros": (
        lambda: um.virtual_image(SCAN, np.zeros((6, 7))),
        um.DataError,
        ("the mask is zero everywhere", "expected weights"),
    ),
    "a virtual image of complex values": (
        lambda: um.virtual_image(um.scan_fft(SCAN, output="complex"), np.ones((6, 7))),
        um.DTypeError,
        ("these samples are complex", "take output='amplitude' or 'power'"),
    ),
    "keeping samples in a picture": (
        lambda: SCAN.keep("scan.png"),
        um.FileError,
        ("out is scan.png", "expected a name that ends in .npy"),
    ),
    "scan_fft of an array": (
        lambda: um.scan_fft(IMAGE),
        um.BackendError,
        ("expected Samples, but got ndarray", "unmix.samples(array, map_axes)"),
    ),
    "scan_fft of complex values": (
        lambda: um.scan_fft(um.window_fft(WINDOWS, output="complex")),
        um.DTypeError,
        ("these samples are complex", "take output='amplitude' or 'power'"),
    ),
    "scan_fft of a list of sites": (
        lambda: um.scan_fft(um.samples(TABLE, 1)),
        um.ShapeError,
        ("expected a scan, (..., y, x)", "but got <Samples site 12"),
    ),
    "scan_fft of some positions": (
        lambda: um.scan_fft(SCAN.where(np.arange(20).reshape(4, 5) > 3)),
        um.ShapeError,
        ("some samples are left out", "needs all of a scan"),
    ),
    "scan_fft of spectra": (
        lambda: um.scan_fft(SPECTRA),
        um.ShapeError,
        ("have an axis k_x already", "expected a scan that is described otherwise"),
    ),
    "scan_fft of more than the budget": (
        large_scan_fft,
        um.ParameterError,
        ("the result takes 2 MiB", "the memory budget is 1 MiB", "name a new file with out="),
    ),
    "scan_fft to a picture": (
        lambda: um.scan_fft(SCAN, out="scan.png"),
        um.FileError,
        ("out is scan.png", "expected a name that ends in .npy or .zarr"),
    ),
    "scan_fft to a file that is there": (
        lambda: um.scan_fft(SCAN, out=__file__),
        um.FileError,
        ("is there already", "expected the name of a new file"),
    ),
    # folds, budgets and records
    "a fold of an array": (
        lambda: um.fold(TABLE, lambda tile, _: None),
        um.BackendError,
        ("expected Samples, but got ndarray", "unmix.samples(array, map_axes)"),
    ),
    "a small budget": (
        lambda: budget(1000),
        um.ParameterError,
        ("memory_budget is 1000", "expected a number of bytes, at least 1048576 (1 MiB)"),
    ),
    "a budget of text": (
        lambda: budget("2 GB"),
        um.ParameterError,
        ("memory_budget is '2 GB'", "expected a number of bytes"),
    ),
    "a record of text": (
        lambda: um.Record.from_json("{"),
        um.FileError,
        ("this text is not a record of unmix",),
    ),
    "a record of no list": (
        lambda: um.Record.from_json("{}"),
        um.FileError,
        ("this text is not a record of unmix", "expected a list of steps, but got dict"),
    ),
    "a record of nothing": (
        lambda: run(um.Record()),
        um.ParameterError,
        ("the record has no steps", "expected that of samples or of a model"),
    ),
    "a record without beginning": (
        lambda: run(um.Record(RECORD.steps[1:])),
        um.ParameterError,
        ("the record begins with 'sliding_windows'", "expected one of samples, open"),
    ),
    "a record on other axes": (
        lambda: run(RECORD, IMAGE[0]),
        um.ShapeError,
        ("made of an array with 2 axes", "this one has shape (26,)"),
    ),
    "a record that goes on after a fit": (
        lambda: run(RECORD.then("keep", {})),
        um.ParameterError,
        ("the step 'keep' of the record cannot follow a fit",),
    ),
    "a record of a later version": (
        lambda: run(SPECTRA.record.then("rebin", {})),
        um.ParameterError,
        ("the record has the step 'rebin'", "this version does not know"),
    ),
    "a record with a model of other data": (
        lambda: run(
            um.abundances(
                SPECTRA, um.nfindr(um.window_fft(um.sliding_windows(IMAGE.T, (6, 8), 4)), 2)
            ).record
        ),
        um.ParameterError,
        ("made of 2 data sets, and 1 came", "hand in one for each", "in the order"),
    ),
}


def caught(name):
    call, kind, _ = CASES[name]
    with pytest.raises(kind) as found:
        call()
    return found.value


@pytest.mark.parametrize("name", list(CASES))
def test_says_what_came_what_was_expected_and_what_to_do(name):
    error, (_, kind, parts) = caught(name), CASES[name]
    text = str(error)
    assert type(error) is kind
    at = 0
    for part in parts:
        assert part in text[at:], f"{part!r} is not in {text!r}"
        at = text.index(part, at)
    # one line for a person: no array dumps, no Python objects at addresses
    assert "\n" not in text
    assert " at 0x" not in text
    assert len(text) < 400


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (um.ShapeError, ValueError),
        (um.DTypeError, TypeError),
        (um.DataError, ValueError),
        (um.ParameterError, ValueError),
        (um.BackendError, TypeError),
        (um.FileError, OSError),
    ],
)
def test_each_error_is_a_built_in_too(error, builtin):
    assert issubclass(error, um.UnmixError)
    assert issubclass(error, builtin)


def test_arrays_of_types_that_numpy_does_not_know():
    torch = pytest.importorskip("torch")
    with pytest.raises(
        um.DTypeError, match=r"dtype torch\.bfloat16, which NumPy does not know; co"
    ):
        um.samples(torch.zeros((3, 4), dtype=torch.bfloat16), 1)


def test_names_that_are_not_there():
    with pytest.raises(AttributeError, match="module 'unmix' has no attribute 'nmf2'"):
        um.nmf2  # noqa: B018


def raised_in_the_library():
    """File and lines of every ``raise`` that a call of the public API can reach."""
    found = {}
    for path in sorted(ROOT.rglob("*.py")):
        if path.relative_to(ROOT).parts[0] in APART:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Raise):
                found[str(path), node.lineno] = node
    return found


def test_every_raise_is_tested_here():
    missing = raised_in_the_library()
    errors = [caught(name) for name in CASES]
    errors += [e.__cause__ for e in errors if e.__cause__ is not None]
    for error in errors:
        last = traceback.extract_tb(error.__traceback__)[-1]
        for file, line in list(missing):
            if file == last.filename and line <= last.lineno <= missing[file, line].end_lineno:
                del missing[file, line]
    texts = [ast.unparse(node) for node in missing.values() if node.exc is not None]
    elsewhere = ("has no attribute", "which NumPy does not know")
    missing = [t for t in texts if not any(e in t for e in elsewhere) and "(msg)" not in t]
    assert not missing
