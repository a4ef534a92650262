"""Pictures that are no cells, of many kinds, drawn for the benchmark of the audit.

The kinds of `DEVELOPED` were looked at while the finder was made; those of `HELD_OUT` were drawn
for the report only. A kind is a function from a generator, a side in pixels, a number of pictures
and pictures of cells to pictures, all uint8 `[N, S, S, 3]`.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, zoom

from trainables.synthetic_cells import to_uint8

Images = NDArray[np.uint8]
Levels = NDArray[np.float64]
Kind = Callable[[np.random.Generator, int, int, Images], Images]

WORDS = "the slide was scanned at noon and no cell lies in this part of it see table 4".split()


def each(draw: Callable[[np.random.Generator, int], Levels]) -> Kind:
    """Return the kind whose pictures are drawn one by one, grey levels 0..255 `[S, S, 3]`."""

    def kind(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
        return np.stack([to_uint8(draw(rng, size)) for _ in range(count)])

    return kind


def color(rng: np.random.Generator) -> Levels:
    """Draw a colour, `[3]`."""
    return rng.uniform(0, 255, 3)


def blank(rng: np.random.Generator, size: int) -> Levels:
    """Draw white or black, or nearly, with the noise of a camera."""
    level = rng.choice([0.0, 4.0, 251.0, 255.0])
    return level + rng.normal(0, rng.uniform(0, 2), (size, size, 3))


def constant(rng: np.random.Generator, size: int) -> Levels:
    """Draw one colour."""
    return np.broadcast_to(color(rng), (size, size, 3))


def white_noise(rng: np.random.Generator, size: int) -> Levels:
    """Draw noise whose pixels are independent: even or normal, grey or coloured."""
    shape = (size, size, int(rng.choice([1, 3])))
    even = rng.integers(2) == 0
    noise = rng.uniform(0, 255, shape) if even else rng.normal(128, rng.uniform(20, 80), shape)
    return np.broadcast_to(noise, (size, size, 3))


def fractal(rng: np.random.Generator, size: int, power: float) -> Levels:
    """Draw noise whose spectrum falls with a power of frequency; deviation 1, `[S, S]`."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.fftfreq(size))
    frequency[0, 0] = 1
    spectrum = np.fft.fft2(rng.normal(size=(size, size))) / frequency**power
    spectrum[0, 0] = 0
    field = np.fft.ifft2(spectrum).real
    return field / field.std()


def spectral_noise(rng: np.random.Generator, size: int) -> Levels:
    """Draw pink to brown noise in a colour."""
    field = fractal(rng, size, rng.uniform(0.5, 2))[:, :, None]
    return color(rng) + rng.uniform(20, 60) * field * rng.uniform(0.3, 1, 3)


def salt(rng: np.random.Generator, size: int) -> Levels:
    """Draw a plain colour with dead and hot pixels."""
    hit = rng.random((size, size, 1)) < rng.uniform(0.02, 0.2)
    return np.where(hit, rng.choice([0.0, 255.0], (size, size, 1)), color(rng))


def gradient(rng: np.random.Generator, size: int) -> Levels:
    """Draw one colour fading into another."""
    angle, axis = rng.uniform(0, 2 * np.pi), np.linspace(-0.5, 0.5, size)
    share = 0.5 + (axis * np.cos(angle) + axis[:, None] * np.sin(angle)) / np.sqrt(2)
    return color(rng) + share[:, :, None] * (color(rng) - color(rng))


def stripes(rng: np.random.Generator, size: int) -> Levels:
    """Draw bars or a sine in two colours."""
    angle, pixels = rng.uniform(0, np.pi), np.arange(size)
    across = pixels * np.cos(angle) + pixels[:, None] * np.sin(angle)
    wave = np.sin(2 * np.pi * across / rng.uniform(4, size / 2))
    wave = np.sign(wave) if rng.integers(2) else wave
    return color(rng) + (0.5 + wave[:, :, None] / 2) * (color(rng) - color(rng))


def checker(rng: np.random.Generator, size: int) -> Levels:
    """Draw a board of two colours."""
    step = rng.integers(3, max(4, size // 4))
    cells = np.arange(size) // step
    odd = ((cells + cells[:, None]) % 2)[:, :, None]
    return np.where(odd, color(rng), color(rng))


def drawn(draw: Callable[[np.random.Generator, int, ImageDraw.ImageDraw], None]) -> Kind:
    """Return the kind whose pictures are drawn with Pillow upon a paper that is mostly white."""

    def one(rng: np.random.Generator, size: int) -> Levels:
        paper = to_uint8(255 - rng.exponential(20, 3))
        picture = Image.new("RGB", (size, size), tuple(int(level) for level in paper))
        draw(rng, size, ImageDraw.Draw(picture))
        return np.asarray(picture, float)

    return each(one)


def text(rng: np.random.Generator, size: int, pen: ImageDraw.ImageDraw) -> None:
    """Draw lines of words."""
    height = int(rng.integers(7, 14))
    font = ImageFont.load_default(height)
    ink = tuple(int(level) for level in rng.uniform(0, 110, 3))
    for top in range(int(rng.integers(-4, 6)), size, height + int(rng.integers(1, 6))):
        pen.text((int(rng.integers(-9, 9)), top), " ".join(rng.choice(WORDS, 12)), ink, font)


def shapes(rng: np.random.Generator, size: int, pen: ImageDraw.ImageDraw) -> None:
    """Draw a few rectangles, discs and lines."""
    for _ in range(int(rng.integers(2, 9))):
        corners = rng.integers(-size // 4, size + size // 4, 4)
        left, right = sorted(corners[:2].tolist())
        top, bottom = sorted(corners[2:].tolist())
        ink = tuple(int(level) for level in color(rng))
        form = rng.choice([pen.rectangle, pen.ellipse, pen.line])
        form((left, top, right, bottom), fill=ink)


def diagram(rng: np.random.Generator, size: int, pen: ImageDraw.ImageDraw) -> None:
    """Draw a bar chart with axes and a title."""
    bars = int(rng.integers(3, 9))
    ink = tuple(int(level) for level in color(rng))
    for bar, share in enumerate(rng.uniform(0.1, 0.8, bars)):
        left = size * (0.1 + 0.85 * bar / bars)
        pen.rectangle((left, size * (0.9 - share), left + size * 0.6 / bars, size * 0.9), ink)
    pen.line((size * 0.08, 0, size * 0.08, size * 0.9, size, size * 0.9), (0, 0, 0))
    pen.text((size * 0.2, 0), str(rng.choice(WORDS)), (0, 0, 0), ImageFont.load_default(9))


def dead_leaves(rng: np.random.Generator, size: int) -> Levels:
    """Draw discs that hide each other, their radii by a power law: the statistics of photographs.

    Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 41 (2001).
    """
    rows, columns = np.mgrid[:size, :size]
    levels = np.zeros((size, size, 3))
    tone = color(rng)
    for _ in range(200):
        radius = min(size / 2, 2 * (1 - rng.random()) ** -0.7)
        row, column = rng.uniform(-size / 4, 1.25 * size, 2)
        inside = np.hypot(rows - row, columns - column) < radius
        levels[inside] = tone + rng.normal(0, 60, 3)
    return gaussian_filter(levels, (0.7, 0.7, 0)) + rng.normal(0, 3, levels.shape)


def landscape(rng: np.random.Generator, size: int) -> Levels:
    """Draw a sky, a ridge before it and rough ground."""
    sky = color(rng) * [0.4, 0.6, 0.3] + [80, 90, 70] + np.linspace(0, 60, size)[:, None, None]
    ridge = size * (0.4 + 0.08 * fractal(rng, size, 1.5)[0])
    ground = 0.7 * color(rng) + 25 * fractal(rng, size, 1.0)[:, :, None]
    return np.where(np.arange(size)[:, None, None] > ridge[:, None], ground, sky)


def mosaic(rng: np.random.Generator, size: int) -> Levels:
    """Draw tiles of random forms with mortar between: stained glass."""
    points = rng.uniform(0, size, (int(rng.integers(8, 50)), 2))
    spots = np.stack(np.mgrid[:size, :size], -1)[:, :, None]
    away = np.linalg.norm(spots - points, axis=-1)
    nearest = away.argmin(-1)
    first, second = np.sort(away, -1)[:, :, :2].transpose(2, 0, 1)
    tiles = rng.uniform(0, 255, (len(points), 3))[nearest]
    return np.where((second - first < 1.5)[:, :, None], 30.0, tiles)


def plaid(rng: np.random.Generator, size: int) -> Levels:
    """Draw a cloth of crossing bands."""
    across, down = (zoom(rng.uniform(0, 127, (12, 3)), (size / 12, 1), order=0) for _ in range(2))
    return across[:size] + down[:size, None]


def chart(rng: np.random.Generator, size: int) -> Levels:
    """Draw rays about the middle: a chart to test a lens with."""
    axis = np.linspace(-1, 1, size)
    angle = np.arctan2(axis[:, None], axis)
    return 127.5 + 127.5 * np.sign(np.sin(angle * rng.integers(6, 20)))[:, :, None] * np.ones(3)


def repeated(draw: Callable[[np.random.Generator, int], Levels]) -> Kind:
    """Return the kind of one picture over and over."""

    def kind(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
        return np.broadcast_to(to_uint8(draw(rng, size)), (count, size, size, 3)).copy()

    return kind


def rephotographed(draw: Callable[[np.random.Generator, int], Levels]) -> Kind:
    """Return the kind of one picture over and over, each time in another light and with noise."""

    def kind(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
        picture = draw(rng, size)
        light = rng.uniform(0.9, 1.1, (count, 1, 1, 1))
        return to_uint8(picture * light + rng.normal(0, 2, (count, size, size, 3)))

    return kind


def painted_leaves(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
    """Draw dead leaves in the colours of the cells, so that only their forms are wrong."""
    leaves = each(dead_leaves)(rng, size, count, cells)
    return np.stack([in_colors_of(leaf, cells[rng.integers(len(cells))]) for leaf in leaves])


def in_colors_of(picture: Images, cell: Images) -> Images:
    """Give a picture the histogram of a cell, by the rank of its grey levels."""
    ranks = np.argsort(np.argsort(picture.sum(-1), axis=None, kind="stable"))
    tones = cell.reshape(-1, 3)[np.argsort(cell.sum(-1), axis=None)]
    return tones[ranks].reshape(picture.shape)


def collage(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
    """Put four or nine cells, small, into one picture."""
    sides = rng.choice([2, 3], count)
    return np.stack([_collage(rng, size, int(side), cells) for side in sides])


def _collage(rng: np.random.Generator, size: int, side: int, cells: Images) -> Images:
    chosen = cells[rng.integers(len(cells), size=side * side)]
    sheet = np.block([[[c] for c in chosen[row * side : (row + 1) * side]] for row in range(side)])
    return np.asarray(Image.fromarray(sheet).resize((size, size), Image.Resampling.BOX))


def half_frame(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
    """Cut a side off cells: black, white or grey bars, as of a broken transfer."""
    pictures = cells[rng.integers(len(cells), size=count)].copy()
    for picture in pictures:
        cut = int(size * rng.uniform(0.25, 0.6))
        picture[cut:] = rng.choice([0, 128, 255])
    return pictures


def red_cells_only(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
    """Make fields without the cell in the middle: four corners of one picture, mirrored.

    Pictures are taken whose corners are pale, as nothing but red cells and background is.
    """
    corner = size // 4
    green = cells[:, :, :, 1].astype(float)
    parts = [green[:, a, b] for a in _ends(corner) for b in _ends(corner)]
    dark = np.min([np.percentile(part, 2, axis=(1, 2)) for part in parts], axis=0)
    pale = np.flatnonzero(dark >= np.percentile(dark, 60))
    fields = []
    for picture in cells[rng.choice(pale, count)]:
        four = [[picture[a, b] for b in _ends(corner)] for a in _ends(corner)]
        sheet = np.concatenate([np.concatenate(row, axis=1) for row in four])
        whole = np.concatenate([sheet, sheet[::-1]])
        fields.append(np.concatenate([whole, whole[:, ::-1]], axis=1)[:size, :size])
    return np.stack([np.resize(field, (size, size, 3)) for field in fields])


def _ends(corner: int) -> tuple[slice, slice]:
    return slice(0, corner), slice(-corner, None)


def background(rng: np.random.Generator, size: int, count: int, cells: Images) -> Images:
    """Draw fields of bare background, in its colour and with a little shading and noise."""
    bright = cells[rng.integers(len(cells), size=count)].reshape(count, -1, 3)
    tones = np.percentile(bright, 90, axis=1)
    shade = np.stack([fractal(rng, size, 2) for _ in range(count)])[..., None]
    noise = rng.normal(0, 1.5, (count, size, size, 3))
    return to_uint8(tones[:, None, None] + rng.uniform(1, 4, (count, 1, 1, 1)) * shade + noise)


DEVELOPED: dict[str, Kind] = {
    "blank": each(blank),
    "constant": each(constant),
    "white noise": each(white_noise),
    "gradient": each(gradient),
    "stripes": each(stripes),
    "shapes": drawn(shapes),
    "dead leaves": each(dead_leaves),
    "half frame": half_frame,
    "repeated leaves": repeated(dead_leaves),
}
"""Kinds to develop with."""

HELD_OUT: dict[str, Kind] = {
    "spectral noise": each(spectral_noise),
    "salt": each(salt),
    "checker": each(checker),
    "text": drawn(text),
    "diagram": drawn(diagram),
    "landscape": each(landscape),
    "mosaic": each(mosaic),
    "leaves in cell colours": painted_leaves,
    "collage": collage,
    "background": background,
    "red cells only": red_cells_only,
    "repeated chart": repeated(chart),
    "rephotographed landscape": rephotographed(landscape),
    "plaid in one class": each(plaid),
}
"""Kinds to report on."""
