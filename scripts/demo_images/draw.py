"""Scenes and flags as small pictures; the same value gives the same pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

from PIL import Image, ImageChops, ImageDraw

from demo_images.scenes import Flag, Scene, Thing

SIDE = 64  # pixels
FINE = 4  # drawn so much larger, and shrunk to smooth edges
UNIT = FINE * SIDE // 64  # of a 64th of the picture

RGB = {
    "red": (220, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (240, 210, 40),
    "purple": (150, 50, 180),
    "orange": (245, 140, 30),
    "white": (255, 255, 255),
    "cream": (250, 240, 220),
    "mint": (225, 245, 235),
    "night": (25, 25, 40),
}

Points = list[tuple[float, float]]


def draw(picture: Scene | Flag) -> Image.Image:
    """The picture, RGB, 64 × 64."""
    large = _flag(picture) if isinstance(picture, Flag) else _scene(picture)
    return large.reduce(FINE)


def _scene(scene: Scene) -> Image.Image:
    image = Image.new("RGB", (SIDE * FINE,) * 2, RGB["night" if scene.style == "night" else scene.ground])
    for thing in scene.things:
        mask = _mask(thing, 1.0)
        if scene.style == "outline":
            mask = ImageChops.subtract(mask, _mask(thing, 0.65))
        if scene.style == "hatched":
            mask = ImageChops.multiply(mask, _stripes())
        image.paste(RGB[thing.colour], mask=mask)
    return image


def centre_of(thing: Thing) -> tuple[int, int]:
    """The pixel in the middle of a thing."""
    across, down = thing.place % 2, thing.place // 2
    return 16 + 32 * across + thing.shift[0], 16 + 32 * down + thing.shift[1]


def _mask(thing: Thing, scale: float) -> Image.Image:
    """White where the thing is, shrunk about its centre by `scale`."""
    x, y = (UNIT * value for value in centre_of(thing))
    radius = UNIT * thing.radius * scale
    mask = Image.new("L", (SIDE * FINE,) * 2)
    pen = ImageDraw.Draw(mask)
    if thing.shape == "circle":
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    else:
        points = [
            (round(x + radius * across), round(y + radius * down)) for across, down in OUTLINES[thing.shape]()
        ]
        pen.polygon(points, fill=255)
    return mask


def _stripes() -> Image.Image:
    image = Image.new("L", (SIDE * FINE,) * 2)
    pen = ImageDraw.Draw(image)
    for start in range(-SIDE * FINE, SIDE * FINE, 5 * UNIT):
        pen.line((start, 0, start + SIDE * FINE, SIDE * FINE), fill=255, width=2 * UNIT)
    return image


def _square() -> Points:
    return [(-0.85, -0.85), (0.85, -0.85), (0.85, 0.85), (-0.85, 0.85)]


def _triangle() -> Points:
    return [(0, -1), (0.95, 0.8), (-0.95, 0.8)]


def _diamond() -> Points:
    return [(0, -1), (0.75, 0), (0, 1), (-0.75, 0)]


def _cross() -> Points:
    corners = [(-1, -0.33), (-0.33, -0.33), (-0.33, -1)]
    turned = list(corners)
    for _ in range(3):
        corners = [(-down, across) for across, down in corners]
        turned += corners
    return turned


def _star() -> Points:
    radii = (1.0, 0.45) * 5
    return [
        (radius * math.sin(math.pi * i / 5), -radius * math.cos(math.pi * i / 5))
        for i, radius in enumerate(radii)
    ]


OUTLINES: dict[str, Callable[[], Points]] = {
    "square": _square,
    "triangle": _triangle,
    "diamond": _diamond,
    "cross": _cross,
    "star": _star,
}


def _flag(flag: Flag) -> Image.Image:
    side = SIDE * FINE
    image = Image.new("RGB", (side, side), RGB[flag.colours[0]])
    pen = ImageDraw.Draw(image)
    if flag.pattern == "nordic":
        pen.rectangle((20 * UNIT, 0, 32 * UNIT - 1, side), fill=RGB[flag.colours[1]])
        pen.rectangle((0, 26 * UNIT, side, 38 * UNIT - 1), fill=RGB[flag.colours[1]])
        return image
    edges = [round(side * i / len(flag.colours)) for i in range(len(flag.colours) + 1)]
    for colour, start, end in zip(flag.colours, edges, edges[1:], strict=False):
        across = flag.pattern == "horizontal"
        pen.rectangle((0, start, side, end - 1) if across else (start, 0, end - 1, side), fill=RGB[colour])
    return image
