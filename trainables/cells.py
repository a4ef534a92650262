"""Pictures of single blood cells in a smear, drawn by what tells the eight classes apart.

A picture is densities of dyes that dim a lamp by Beer and Lambert's law. Lengths are in half
frames: it spans -1 to 1, whatever its size in pixels. A field is float32 [N, S, S], a trait
float32 [N, 1, 1]. Angles are in radians, and ranges are drawn from evenly, picture by picture.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.floating]
Range = tuple[float, float]

ABSORBERS = np.array([[1.2, 1.85, 0.6], [0.22, 0.75, 0.5], [0.75, 0.7, 0.2], [1, 1, 1]])
"""Optical density in red, green and blue of azure, eosin, methylene blue and dirt (rows)."""
DIRT = 3
RED_CELL = np.array([0.06, 0.17, 0.13, 0], np.float32)[:, None, None, None]
"""Density of each absorber in a red blood cell."""
RED_CELL_BEND = 0.02
MAX_RED_CELLS = 7
MAX_LOBES = 5
LOBE_SHARPNESS = 2.5
"""How sharply lobes part; those nearer than 2.26 radii stay joined by a bridge."""
WAVELENGTHS = (0.12, 0.19, 0.9)
"""Of the textures, in half frames: fine, coarse, and the one that bends outlines."""
FINE, COARSE, SWELL = range(3)
TILE_PX = 256
CHUNK = 64
"""Pictures drawn at once: at 64 px a field is then 1 MB and stays in the cache."""
MIN_SIZE_PX = 16
STAIN_SPREAD, HUE_SPREAD, LAMP_SPREAD, TINT_SPREAD = 0.09, 0.03, 0.005, 0.003
"""Deviation of the log of a dye's strength, its colour, the lamp's strength and its colour."""
NOISE = 1.0
"""Deviation of the sensor's noise, in grey levels of 255."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anatomy:
    """What the cells of one class look like."""

    radius: Range
    """Radius of the cell."""
    lobes: Range
    """Number of nuclear lobes, rounded down, 1 to 5."""
    lobe: Range
    """Radius of a lobe, in cell radii."""
    arc: Range
    """Radius of the arc that the lobes lie on, in cell radii; 0 makes a round nucleus."""
    sweep: Range = (1.0, 2.4)
    """Angle that the arc covers: 1 is a bean, 4 a horseshoe."""
    offset: Range = (0.0, 0.2)
    """Distance of the nucleus from the middle of the cell, in cell radii."""
    ragged: Range = (0.01, 0.04)
    """How far outlines are bent."""
    chromatin: Range = (0.6, 1.0)
    """Azure density of the nucleus."""
    mottle: Range = (0.1, 0.3)
    """Contrast of the chromatin, as a share of its density."""
    clumped: int = FINE
    """Texture of the chromatin, FINE or COARSE."""
    cytoplasm: tuple[Range, Range, Range]
    """Density of azure, eosin and methylene blue in the cytoplasm."""
    granules: tuple[Range, Range]
    """Density of azure and eosin in the granules."""
    granule: int = FINE
    """Texture of the granules, FINE or COARSE."""
    veil: Range = (0.0, 0.0)
    """Share of the granules that shows over the nucleus."""
    vacuoles: Range = (0.0, 0.0)
    """Depth of pale holes in the cytoplasm, 0 to 1."""


ANATOMIES: dict[str, Anatomy] = {
    "basophil": Anatomy(
        radius=(0.45, 0.8), lobes=(2, 4), lobe=(0.34, 0.46), arc=(0.28, 0.42), sweep=(1.8, 3.4),
        cytoplasm=((0.1, 0.35), (0.05, 0.3), (0, 0.15)),
        granules=((0.25, 0.85), (0, 0.1)), granule=COARSE, veil=(0.4, 1),
    ),
    "eosinophil": Anatomy(
        radius=(0.5, 0.84), lobes=(1, 4), lobe=(0.32, 0.42), arc=(0.4, 0.52), sweep=(1.5, 2.8),
        clumped=COARSE, cytoplasm=((0, 0.15), (0.15, 0.5), (0, 0.15)),
        granules=((0, 0.12), (0.35, 0.85)), granule=COARSE,
    ),
    "erythroblast": Anatomy(
        radius=(0.4, 0.74), lobes=(1, 2), lobe=(0.48, 0.7), arc=(0, 0.05), offset=(0, 0.3),
        ragged=(0.005, 0.03), mottle=(0.15, 0.35), clumped=COARSE,
        cytoplasm=((0.02, 0.12), (0.02, 0.2), (0.15, 0.75)), granules=((0, 0.03), (0, 0.03)),
    ),
    "immature_granulocyte": Anatomy(
        radius=(0.5, 0.84), lobes=(2, 5), lobe=(0.46, 0.6), arc=(0.05, 0.3), offset=(0.05, 0.3),
        cytoplasm=((0.1, 0.3), (0, 0.15), (0.05, 0.3)),
        granules=((0.15, 0.55), (0, 0.1)), veil=(0, 0.4),
    ),
    "lymphocyte": Anatomy(
        radius=(0.4, 0.74), lobes=(1, 3), lobe=(0.72, 0.9), arc=(0, 0.08), offset=(0, 0.15),
        mottle=(0.08, 0.25), clumped=COARSE,
        cytoplasm=((0.02, 0.15), (0, 0.1), (0.2, 0.7)), granules=((0, 0.08), (0, 0.03)),
    ),
    "monocyte": Anatomy(
        radius=(0.52, 0.86), lobes=(3, 6), lobe=(0.3, 0.4), arc=(0.38, 0.48), sweep=(2.6, 3.8),
        ragged=(0.025, 0.065), vacuoles=(0.3, 1),
        cytoplasm=((0.05, 0.3), (0, 0.1), (0.1, 0.4)), granules=((0, 0.1), (0, 0.1)),
    ),
    "neutrophil": Anatomy(
        radius=(0.48, 0.82), lobes=(2, 6), lobe=(0.25, 0.36), arc=(0.42, 0.54), sweep=(2.8, 4.6),
        clumped=COARSE, cytoplasm=((0.05, 0.2), (0.05, 0.35), (0, 0.1)),
        granules=((0.05, 0.35), (0, 0.2)),
    ),
    "platelet": Anatomy(
        radius=(0.18, 0.5), lobes=(1, 3), lobe=(0.4, 0.6), arc=(0, 0.4), ragged=(0.02, 0.08),
        chromatin=(0.3, 0.8), mottle=(0.2, 0.5), granules=((0.3, 0.7), (0, 0.1)), veil=(0.5, 1),
        cytoplasm=((0.05, 0.25), (0, 0.1), (0.05, 0.3)),
    ),
}  # fmt: skip
CELL_CLASSES: tuple[str, ...] = tuple(ANATOMIES)
"""Names of the classes, those of the PBC set and BloodMNIST in their order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquisition:
    """How a laboratory stains its smears and takes its pictures."""

    turn: float
    """Largest rotation of a cell, 0 to pi."""
    zoom: Range
    """Magnification, 1 for life size."""
    drift: float
    """Largest distance of a cell from the middle, across and down."""
    stain: tuple[float, float, float]
    """Strength of azure, eosin and methylene blue, 1 as in ABSORBERS."""
    lamp: tuple[float, float, float]
    """Red, green and blue of an empty field, in grey levels of 255."""
    shading: float
    """Largest fall of the light from one edge to the other, 0 to 1."""
    defocus: Range
    """Deviation of the blur."""
    debris: float
    """Probability that dirt lies over part of the picture."""

    def __post_init__(self) -> None:
        """Refuse what would give pictures of nothing, with ValueError."""
        if not 0 < self.zoom[0] <= self.zoom[1]:
            raise ValueError(f"zoom is {self.zoom}, but must be 0 < low <= high; try (0.9, 1.1).")


def clean_lab() -> Acquisition:
    """Return the laboratory that models are trained on: steady, upright, in focus, well lit.

    So steady that what holds there alone, a colour or an angle, is easily learnt for the class.
    """
    return Acquisition(
        turn=0.15, zoom=(0.99, 1.01), drift=0.05, stain=(1, 1, 1), lamp=(244, 221, 201),
        shading=0.02, defocus=(0, 0.01), debris=0,
    )  # fmt: skip


def shifted_lab() -> Acquisition:
    """Return another laboratory: any angle, other zoom and stain, a dim uneven lamp, dirt."""
    return Acquisition(
        turn=np.pi, zoom=(0.7, 1.35), drift=0.2, stain=(0.8, 0.75, 0.9), lamp=(172, 156, 143),
        shading=0.3, defocus=(0.01, 0.036), debris=0.85,
    )  # fmt: skip


def draw_cells(
    labels: NDArray[np.int64], *, size: int, rng: np.random.Generator, domain: Acquisition
) -> NDArray[np.uint8]:
    """Draw one cell per picture, each of the class asked for, no two alike.

    Parameters
    ----------
    labels : int64, [N], index into CELL_CLASSES
    size : int, pixels, 16 or more
    rng : Generator, the only source of chance
    domain : Acquisition, the laboratory that takes the pictures

    Returns
    -------
    uint8, [N, size, size, 3], red, green, blue
    """
    if size < MIN_SIZE_PX:
        raise ValueError(f"size is {size} pixels, but must be at least {MIN_SIZE_PX}; try 64.")
    if not set(np.unique(labels)) <= set(range(len(CELL_CLASSES))):
        raise ValueError(f"labels hold {np.unique(labels)}, but must be 0 to 7: {CELL_CLASSES}.")
    crops = _weave_textures(size, rng)
    pictures = np.empty((len(labels), size, size, 3), np.uint8)
    for start in range(0, len(labels), CHUNK):
        chunk = slice(start, start + CHUNK)
        smear = _Smear(labels[chunk], crops, rng)
        pictures[chunk] = _take_pictures(_stain(smear, domain), rng, domain)
    return pictures


def _weave_textures(size: int, rng: np.random.Generator) -> Array:
    """Make tiles of noise around each wavelength, and a view of all their crops of one picture.

    A random crop costs a tenth of noise made for the picture. Mean 0, deviation 1.
    """
    frequency = np.hypot(np.fft.fftfreq(TILE_PX)[:, None], np.fft.rfftfreq(TILE_PX))
    white = rng.standard_normal((len(WAVELENGTHS), TILE_PX, TILE_PX))
    wavelength_px = np.maximum(np.array(WAVELENGTHS) * size / 2, 2)[:, None, None]
    band = np.exp(-2 * (frequency * wavelength_px - 1) ** 2)
    tiles = np.fft.irfft2(np.fft.rfft2(white) * band)
    tiles /= tiles.std((1, 2), keepdims=True)
    wrapped = np.pad(tiles.astype(np.float32), [(0, 0), (0, size), (0, size)], mode="wrap")
    return sliding_window_view(wrapped, (size, size), axis=(1, 2))


class _Smear:
    """The pictures being drawn: what chance makes of each cell's class, and the pixel grid."""

    def __init__(self, labels: NDArray[np.int64], crops: Array, rng: np.random.Generator) -> None:
        self.rng, self.crops, self.count = rng, crops, len(labels)
        self.kinds = [list(ANATOMIES.values())[label] for label in labels]
        size = crops.shape[-1]
        self.pixel = np.float32(2 / size)
        self.axis = (np.arange(size, dtype=np.float32) + np.float32(0.5)) * self.pixel - 1

    def any(self, low: float, high: float) -> Array:
        """Draw a value, [N, 1, 1], that tells nothing of the class."""
        return self.rng.uniform(low, high, (self.count, 1, 1)).astype(np.float32)

    def trait(self, of: Callable[[Anatomy], Range]) -> Array:
        """Draw a value, [N, 1, 1], from the range that the class gives it."""
        bounds: Array = np.array([of(kind) for kind in self.kinds], np.float32)[:, :, None, None]
        low, high = bounds[:, 0], bounds[:, 1]
        return low + (high - low) * self.rng.random(low.shape, np.float32)

    def noise(self, of: Callable[[Anatomy], int]) -> Array:
        """Crop noise, [N, S, S], mean 0, deviation 1, of the texture that the class has."""
        top, left = self.rng.integers(TILE_PX, size=(2, self.count))
        crops: Array = self.crops[[of(kind) for kind in self.kinds], top, left]
        return crops

    def cover(self, depth: Array) -> Array:
        """Turn depth below an outline into the share of the pixel covered, 0 to 1."""
        covered: Array = np.clip(depth / self.pixel + np.float32(0.5), 0, 1)
        return covered


def _stain(smear: _Smear, domain: Acquisition) -> Array:
    """Draw the smear: density of each absorber, [4, N, S, S]."""
    zoom, turn = smear.any(*domain.zoom), smear.any(-domain.turn, domain.turn)
    x, y = np.empty((2, smear.count, len(smear.axis), len(smear.axis)), np.float32)
    x[:] = (smear.axis - smear.any(-domain.drift, domain.drift)) / zoom
    y[:] = (smear.axis[:, None] - smear.any(-domain.drift, domain.drift)) / zoom
    right, down = smear.noise(lambda _: SWELL), smear.noise(lambda _: SWELL)
    ragged, radius = smear.trait(lambda kind: kind.ragged), smear.trait(lambda kind: kind.radius)
    along, across = _rotate(x + ragged * right, y + ragged * down, turn)
    along, across = along / radius, across / radius
    stretch = smear.any(0.88, 1.12)
    cell = smear.cover(radius * (1 - np.sqrt((along / stretch) ** 2 + (across * stretch) ** 2)))
    nucleus = cell * smear.cover(radius * _nucleus_depth(smear, along, across))
    density = _fill_cell(smear, cell, nucleus)
    x, y = x + RED_CELL_BEND * right, y + RED_CELL_BEND * down
    density += RED_CELL * (1 - cell) * _draw_red_cells(smear, x, y, radius)
    density[DIRT] = _draw_debris(smear, domain)
    return density


def _rotate(x: Array, y: Array, turn: Array) -> tuple[Array, Array]:
    """Return the coordinates in a frame turned by an angle."""
    return np.cos(turn) * x + np.sin(turn) * y, np.cos(turn) * y - np.sin(turn) * x


def _nucleus_depth(smear: _Smear, x: Array, y: Array) -> Array:
    """Draw the nucleus, lobes on an arc, as depth below its outline; all lengths in cell radii."""
    number = np.floor(smear.trait(lambda kind: kind.lobes))
    jitter = smear.rng.normal(0, 0.08, (2, smear.count, 1, MAX_LOBES)).astype(np.float32)
    place = np.arange(MAX_LOBES, dtype=np.float32) / np.maximum(number - 1, 1) - np.float32(0.5)
    angle = smear.trait(lambda kind: kind.sweep) * place * (1 + jitter[0])
    arc, lobe = smear.trait(lambda kind: kind.arc), smear.trait(lambda kind: kind.lobe)
    right, down = arc * np.cos(angle), arc * np.sin(angle)
    present = np.arange(MAX_LOBES) < number
    right -= (right * present).sum(-1, keepdims=True) / number
    offset, way = smear.trait(lambda kind: kind.offset), smear.any(-np.pi, np.pi)
    x, y = x - offset * np.cos(way), y - offset * np.sin(way)
    sharpness = LOBE_SHARPNESS / (lobe * np.exp(jitter[1])) ** 2
    total = np.full(x.shape, 1e-9, np.float32)
    for k in np.split(np.arange(MAX_LOBES), MAX_LOBES):
        away = ((x - right[..., k]) ** 2 + (y - down[..., k]) ** 2) * sharpness[..., k]
        total += present[..., k] * np.exp(LOBE_SHARPNESS - away)
    return np.log(total) * lobe / (2 * LOBE_SHARPNESS)


def _fill_cell(smear: _Smear, cell: Array, nucleus: Array) -> Array:
    """Stain cytoplasm, chromatin and granules, [4, N, S, S], given where cell and nucleus are."""
    holes = smear.cover((smear.noise(lambda _: COARSE) - np.float32(1.3)) / 10)
    body = (cell - nucleus) * (1 - holes * smear.trait(lambda kind: kind.vacuoles))
    mottle = smear.trait(lambda kind: kind.mottle) * smear.noise(lambda kind: kind.clumped)
    spots = np.clip(smear.noise(lambda kind: kind.granule), 0, 2)
    spots *= body + nucleus * smear.trait(lambda kind: kind.veil)
    density = np.zeros((len(ABSORBERS), *cell.shape), np.float32)
    density[0] = body * smear.trait(lambda kind: kind.cytoplasm[0])
    density[0] += nucleus * smear.trait(lambda kind: kind.chromatin) * (1 + mottle)
    density[0] += spots * smear.trait(lambda kind: kind.granules[0])
    density[1] = body * smear.trait(lambda kind: kind.cytoplasm[1])
    density[1] += spots * smear.trait(lambda kind: kind.granules[1])
    density[2] = body * smear.trait(lambda kind: kind.cytoplasm[2])
    return density


def _draw_red_cells(smear: _Smear, x: Array, y: Array, radius: Array) -> Array:
    """Draw red cells around a cell of this radius, 0 to 1: discs with a pale middle."""
    number, pallor = smear.any(1, MAX_RED_CELLS + 1), smear.any(0.4, 0.95)
    start, step = smear.any(0, 2 * np.pi), 2 * np.pi / MAX_RED_CELLS
    density = np.zeros(x.shape, np.float32)
    for k in range(MAX_RED_CELLS):
        angle = start + smear.any((k - 0.3) * step, (k + 0.3) * step)
        own = smear.any(0.28, 0.42)
        far = radius + own * smear.any(0.8, 1.3) + smear.any(0, 0.5)
        squared = (x - far * np.cos(angle)) ** 2 + (y - far * np.sin(angle)) ** 2
        hollow = (k < number) * (1 - pallor * np.exp(squared * (-4 / own**2)))
        density = np.maximum(density, smear.cover(own - np.sqrt(squared)) * hollow)
    return density


def _draw_debris(smear: _Smear, domain: Acquisition) -> Array:
    """Draw a speck of dirt, round to needle-shaped, over some pictures: its density."""
    x, y = smear.axis - smear.any(-0.6, 0.6), smear.axis[:, None] - smear.any(-0.6, 0.6)
    along, across = _rotate(x, y, smear.any(0, np.pi))
    away = np.sqrt((along * smear.any(0.3, 1)) ** 2 + across**2)
    there = smear.any(0, 1) < domain.debris
    return there * smear.any(0.3, 1.2) * smear.cover(smear.any(0.12, 0.3) - away)


def _take_pictures(
    density: Array, rng: np.random.Generator, domain: Acquisition
) -> NDArray[np.uint8]:
    """Photograph density of absorbers, [4, N, S, S], as uint8 [N, S, S, 3]."""
    count, size = density.shape[1:3]
    strength = np.array([*domain.stain, 1]) * np.exp(rng.normal(0, STAIN_SPREAD, (count, 1, 4)))
    hue = np.exp(rng.normal(0, HUE_SPREAD, (count, 3, 4)))
    optical = (ABSORBERS.T * hue * strength).astype(np.float32)
    glow = rng.normal(0, LAMP_SPREAD, (count, 1)) + rng.normal(0, TINT_SPREAD, (count, 3))
    lamp = (np.array(domain.lamp) * np.exp(glow)).astype(np.float32)[:, :, None, None]
    absorbed = optical @ density.swapaxes(0, 1).reshape(count, len(ABSORBERS), -1)
    light = np.exp(-absorbed).reshape(count, 3, size, size)
    light *= lamp * _shade(count, size, rng, domain)
    _blur(light, rng.uniform(*domain.defocus, (count, 1, 1, 1)) * (size / 2))
    grain = rng.uniform(0.5 * NOISE, 1.5 * NOISE, (count, 1, 1, 1)).astype(np.float32)
    light += grain * rng.standard_normal(light.shape, np.float32)
    pictures: NDArray[np.uint8] = np.clip(light, 0, 255).astype(np.uint8)
    return pictures.transpose(0, 2, 3, 1)


def _shade(count: int, size: int, rng: np.random.Generator, domain: Acquisition) -> Array:
    """Let the light fall towards one side, as a factor, [N, 1, S, S]."""
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    way = rng.uniform(0, 2 * np.pi, (count, 1, 1, 1)).astype(np.float32)
    fall = rng.uniform(0, domain.shading / 2, (count, 1, 1, 1)).astype(np.float32)
    return 1 - fall * (1 + np.cos(way) * axis + np.sin(way) * axis[:, None])


def _blur(light: Array, sigma_px: NDArray[np.float64]) -> None:
    """Blur each picture, [N, 3, S, S], in place, by letting light flow between neighbours.

    The variances of the passes add up; a pass stays stable up to one half.
    """
    passes = max(1, int(np.ceil(1.5 * sigma_px.max() ** 2)))
    rate = (sigma_px**2 / (2 * passes)).astype(np.float32)
    for _ in range(passes):
        for rows in (light, light.swapaxes(2, 3)):
            flow = rate * np.diff(rows)
            rows[..., :-1] += flow
            rows[..., 1:] -= flow
