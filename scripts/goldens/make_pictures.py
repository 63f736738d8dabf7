"""Makes test/goldens/data/pictures.json: small picture files and the RGB that Pillow reads from them.

    python make_pictures.py        (pip install pillow==13.0.0 numpy, in an environment of its own)

Stored values: profiles ignored, CMYK by Pillow's formula, transparency dropped, hidden colours kept, EXIF's and XMP's orientation
applied. Of 16 bits the upper 8, by numpy, since Pillow clips grey of 16 bits.
"""

import base64
import io
import struct
import zlib

import numpy as np
import PIL
from goldens_io import write
from PIL import Image, ImageOps

RNG = np.random.default_rng(7)
CASES = []


def add(name, data, rgb=None):
    if rgb is None:
        image = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
        rgb = np.asarray(image.convert("RGB"))
    height, width, _ = rgb.shape
    CASES.append(
        {
            "name": name,
            "size": [width, height],
            "file": base64.b64encode(data).decode(),
            "rgb": base64.b64encode(rgb.tobytes()).decode(),
        }
    )


def saved(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


def png16(values):
    """A PNG of 16 bits: grey [h,w] or RGB [h,w,3]."""
    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 16, 0 if values.ndim == 2 else 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tiff_ycbcr(values, subsampling=None):
    """Without compression, all colours at every pixel."""
    height, width, _ = values.shape
    tags = [
        *[(256, 4, 1, width), (257, 4, 1, height), (259, 3, 1, 1), (262, 3, 1, 6), (277, 3, 1, 3)],
        *[(278, 4, 1, height), (279, 4, 1, values.size)],
    ]
    if subsampling is not None:
        tags.append((530, 3, 2, subsampling))
    count = len(tags) + 2
    extra = 8 + 2 + 12 * count + 4
    tags += [(258, 3, 3, extra), (273, 4, 1, extra + 6)]
    entry = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, count) + entry + struct.pack("<IHHH", 0, 8, 8, 8) + values.tobytes()


def gifs():
    colours = noise(8, 3)
    indices = RNG.integers(0, 8, (11, 13), dtype=np.uint8)
    image = Image.fromarray(indices, "P")
    image.putpalette(colours.tobytes())
    add("gif, colours hidden", saved(image, "GIF", transparency=3))
    add("gif, interlaced", saved(image, "GIF", interlace=1))
    add("gif, not interlaced", saved(image, "GIF", interlace=0))
    # The picture covers a part of the screen.
    for name, options in [("transparent", {"transparency": 2}), ("opaque", {})]:
        data = bytearray(saved(image, "GIF", **options))
        data[6:10] = struct.pack("<HH", 16, 14)
        at = data.index(b"\x2c\0\0\0\0" + struct.pack("<HH", 13, 11))
        data[at + 1 : at + 5] = struct.pack("<HH", 2, 1)
        add(f"gif, a part of the screen, {name}", bytes(data))
    large = Image.fromarray(RNG.integers(0, 256, (90, 100), dtype=np.uint8), "P")
    large.putpalette(noise(256, 3).tobytes())
    add("gif, 256 colours", saved(large, "GIF"))
    moving = [Image.fromarray(np.full((4, 5), v, np.uint8), "L") for v in (10, 200)]
    add("gif, moving", saved(moving[0], "GIF", save_all=True, append_images=moving[1:]))


def orientations():
    image = Image.fromarray(noise(3, 4, 3))
    blocks = Image.fromarray(np.kron(noise(3, 2, 3), np.ones((8, 8, 1), np.uint8)))
    for value in range(1, 9):
        exif = Image.Exif()
        exif[0x112] = value
        add(f"png, EXIF orientation {value}", saved(image, "PNG", exif=exif))
        if value in (6, 7):
            add(f"jpeg, EXIF orientation {value}", saved(blocks, "JPEG", quality=95, exif=exif))
            add(f"webp, EXIF orientation {value}", saved(image, "WEBP", lossless=True, exif=exif))
    for form in ('tiff:Orientation="8"', ">"):
        text = f'<rdf:Description {form}/>' if form != ">" else "<tiff:Orientation>5</tiff:Orientation>"
        xmp = f'<x:xmpmeta xmlns:x="adobe:ns:meta/">{text}</x:xmpmeta>'.encode()
        kind = "attribute" if form != ">" else "element"
        add(f"jpeg, XMP orientation, {kind}", saved(blocks, "JPEG", quality=95, xmp=xmp))
    exif = Image.Exif()
    exif[0x112] = 6
    add("tiff, orientation 6", saved(image, "TIFF", tiffinfo={0x112: 6}))


def main():
    add("tiff, CMYK", saved(Image.fromarray(noise(5, 7, 4), "CMYK"), "TIFF"))
    ink = Image.fromarray(np.kron(noise(2, 3, 4), np.ones((8, 8, 1), np.uint8)), "CMYK")
    add("jpeg, CMYK", saved(ink, "JPEG", quality=95))
    ycbcr = noise(6, 5, 3)
    add("tiff, YCbCr", tiff_ycbcr(ycbcr, 0x10001))
    add("tiff, YCbCr, which does not say how", tiff_ycbcr(ycbcr))
    add("tiff, YCbCr of black", tiff_ycbcr(np.full((8, 8, 3), [0, 128, 128], np.uint8), 0x10001))
    rgba = Image.fromarray(noise(4, 6, 4), "RGBA")
    add("png, colours hidden", saved(rgba, "PNG"))
    add("webp, colours hidden", saved(rgba, "WEBP", lossless=True, exact=True))
    add("png, grey with transparency", saved(Image.fromarray(noise(4, 6, 2), "LA"), "PNG"))
    for values in (RNG.integers(0, 65536, (4, 5)), RNG.integers(0, 65536, (4, 5, 3))):
        upper = (values >> 8).astype(np.uint8)
        name = "grey" if values.ndim == 2 else "RGB"
        add(f"png of 16 bits, {name}", png16(values), np.stack([upper] * 3, -1) if values.ndim == 2 else upper)
    photo = Image.fromarray(np.kron(noise(4, 5, 3), np.ones((9, 9, 1), np.uint8)))
    add("jpeg, colours subsampled", saved(photo, "JPEG", quality=85))
    add("jpeg, progressive", saved(photo, "JPEG", quality=85, progressive=True))
    gifs()
    orientations()
    write("data/pictures.json", {"pillow": PIL.__version__, "cases": CASES})


if __name__ == "__main__":
    main()
