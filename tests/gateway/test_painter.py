"""The gateway's own painter: posters that can be repeated, edits, masks and fusions."""

import io
import json
import os
import random
import subprocess
import sys
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageChops, ImageCms, ImageDraw, ImageStat

from apimodels_async.gateway import painter
from apimodels_async.gateway.encoding import MARK
from apimodels_async.gateway.painter import paint

CAT = "A cute cat wearing a space helmet, digital art"
SIZE = (256, 256)
NASTY = {
    "a space": " ",
    "control characters": "\0\x07\x1b[31m\r\n",
    "a lone surrogate": "a\ud800b",
    "nothing visible": "\u200b\u2060\ufeff",
    "marks without a letter": "\u0301\u0302",
    "chinese": "一只可爱的猫在海边看日落",
    "arabic": "مدينة في الليل تحت المطر",
    "hindi": "नमस्ते दुनिया",
    "emoji": "👩‍🚀 👍🏽 🏳️‍🌈",
    "5,000 characters": "the quick brown fox " * 250,
    "one word of 5,000 letters": "x" * 5000,
    "40,000 emoji": "🙂" * 40_000,
    "many scripts": "Ein süßes Café, 猫 и кот 🙂",
}


def painted(prompt: str = CAT, **changes: Any) -> bytes:
    arguments: dict[str, Any] = {
        "prompt": prompt,
        "model": "grok-image/grok-4.2-image",
        "seed": 7,
        "index": 0,
        "size": (96, 96),
        "output_format": "png",
    }
    return paint(**arguments | changes)


def picture(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def file(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def noise(size: tuple[int, int], mode: str = "RGB") -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, random.Random(1).randbytes(size[0] * size[1] * channels))


def photograph(size: tuple[int, int] = (160, 120)) -> Image.Image:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((size[0] * 0.1, size[1] * 0.1, size[0] * 0.5, size[1] * 0.7), fill=(230, 200, 60))
    draw.rectangle((size[0] * 0.6, size[1] * 0.15, size[0] * 0.9, size[1] * 0.5), fill=(20, 30, 70))
    return image


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two pictures, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(a.convert("RGB"), b.convert("RGB"))).mean) / 3


def changed(a: bytes, b: bytes) -> tuple[int, int, int, int]:
    """The box in which two pictures differ clearly."""
    grey = ImageChops.difference(picture(a).convert("RGB"), picture(b).convert("RGB")).convert("L")
    box = grey.point([0] * 40 + [255] * 216).getbbox()
    assert box is not None
    return box


class TestRepetition:
    @pytest.mark.parametrize("prompt", [CAT, "Café, 猫 🙂"])
    def test_another_process_with_another_hash_seed_gives_the_same_bytes(self, prompt: str) -> None:
        code = (
            "import hashlib; from apimodels_async.gateway.painter import paint;"
            f"print(hashlib.sha256(paint(prompt={prompt!r}, model='m', seed=3,"
            " index=1, size=(200, 140), output_format='png')).hexdigest())"
        )
        answers = {
            subprocess.run(
                [sys.executable, "-c", code],
                env=os.environ | {"PYTHONHASHSEED": seed},
                capture_output=True,
                check=True,
                text=True,
            ).stdout
            for seed in ("1", "2024")
        }
        assert len(answers) == 1

    def test_the_global_generator_is_neither_used_nor_moved(self) -> None:
        random.seed(5)
        before = random.getstate()
        first = painted()
        assert random.getstate() == before
        random.seed(6)
        assert painted() == first

    @pytest.mark.parametrize("change", [{"prompt": "a dog"}, {"model": "other"}, {"seed": 8}, {"index": 1}])
    def test_every_argument_matters(self, change: dict[str, Any]) -> None:
        assert difference(picture(painted()), picture(painted(**change))) > 1

    @pytest.mark.parametrize("prompt", [CAT, "time passes quietly", "the sea at sunset", "a coffee cup", "a forest"])
    def test_n_indexes_give_n_visibly_different_pictures(self, prompt: str) -> None:
        pictures = [picture(painted(prompt, index=index)) for index in range(10)]
        for i, one in enumerate(pictures):
            for other in pictures[:i]:
                assert difference(one, other) > 2


class TestScenes:
    @pytest.mark.parametrize(
        ("prompt", "place"),
        [
            ("A lighthouse on a cliff", "sea"),
            ("three foxes", "forest"),
            ("two buses in the cities", "city"),
            ("A boat in the desert", "desert"),
            ("A forest by a lake", "sea"),
            ("雨の夜の森", "forest"),
            ("the idea of time", "abstract"),
        ],
    )
    def test_the_place_follows_the_words(self, prompt: str, place: str) -> None:
        assert painter._Brief(prompt, "m", 1, 0).place == place

    @pytest.mark.parametrize("place", [*painter._TABLES["places"], "idea"])
    @pytest.mark.parametrize(
        "mood", ["at night", "at sunset", "in the rain", "in snow", "in fog", "under the aurora", "in blue"]
    )
    def test_moods_weather_and_colours_change_the_picture_of_every_place(self, place: str, mood: str) -> None:
        plain, changed_by_it = (picture(painted(f"{place} {words}", model="m")) for words in ("", mood))
        assert difference(plain, changed_by_it) > 3

    def test_every_palette_has_seven_colours_and_a_title_that_can_be_read(self) -> None:
        def luminance(colour: str) -> float:
            channels = (int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5))
            linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

        for name, entry in painter._TABLES["palettes"].items():
            colours = entry.split("|")[0].split()
            assert len(colours) == 7, name
            low, high = sorted(luminance(colour) for colour in colours[5:])
            assert (high + 0.05) / (low + 0.05) >= 7, name


class TestTitles:
    def test_the_prompt_stands_below_the_picture_and_the_mark_below_that(self) -> None:
        one, other = (painted(f"a {word} at sea", size=SIZE) for word in ("wwww", "iiii"))
        sheet = picture(one).convert("L")
        assert changed(one, other)[3] < 250
        title, mark = sheet.crop((12, 195, 244, 222)), sheet.crop((12, 228, 244, 250))
        for lettering in (title, mark):
            (low, high), *_ = ImageStat.Stat(lettering).extrema
            assert high - low > 80

    @pytest.mark.parametrize("prompt", NASTY.values(), ids=NASTY)
    @pytest.mark.parametrize("size", [(128, 128), (400, 160)])
    def test_no_prompt_is_too_strange_for_a_poster(self, prompt: str, size: tuple[int, int]) -> None:
        assert picture(painted(prompt, size=size)).size == size

    @pytest.mark.parametrize("prompt", NASTY.values(), ids=NASTY)
    @pytest.mark.parametrize("width", [60, 300, 2000])
    def test_every_line_fits_and_all_lines_fit(self, prompt: str, width: int) -> None:
        title = painter._Title(prompt, width, 120, 40)
        assert title.height <= 130
        for line in title.lines:
            assert title.length(line, title.pixels) <= width or width == 60  # narrower than one long word

    def test_a_short_title_is_larger_than_a_long_one_and_a_very_long_one_is_cut(self) -> None:
        short, long, endless = (painter._Title("two words " * n, 400, 150, 44) for n in (1, 12, 400))
        assert short.pixels > long.pixels > 9
        assert endless.lines[-1].endswith("…")
        assert "".join(long.lines).replace(" ", "") == "twowords" * 12

    @pytest.fixture
    def without_fonts(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """A system that has no fonts."""
        monkeypatch.setitem(painter._TABLES, "fonts", {"emoji": ["no emoji"], "text": ["no text"]})
        yield
        painter._has.cache_clear()

    @pytest.mark.usefixtures("without_fonts")
    def test_without_a_font_for_a_script_the_title_says_where_it_is(self) -> None:
        assert " ".join(painter._Title("一只可爱的猫", 400, 150, 44).lines) == "The title is in this file's metadata"
        (line,) = painter._Title("cat 猫猫 cat", 400, 150, 44).lines
        assert "".join(run for _, run in painter._Title("cat 猫猫 cat", 400, 150, 44).runs(line, 20)) == "cat · cat"
        assert picture(painted("猫" * 300, size=SIZE)).info["prompt"] == "猫" * 300

    def test_a_script_that_pillows_font_lacks_gets_a_font_of_the_system(self) -> None:
        missing = [name for name in painter._TABLES["fonts"]["text"] if painter._has(name, "é")]
        if not missing:
            pytest.skip("this system has no font with accents")
        title = painter._Title("Café", 400, 150, 44)
        assert title.fonts["é"] == missing[0] == title.fonts["C"]
        assert [run for _, run in title.runs("Café", 20)] == ["Café"]

    def test_arabic_and_hebrew_stand_on_the_right(self) -> None:
        assert (
            painter._Title("مدينة", 400, 150, 44).right or "metadata" in painter._Title("مدينة", 400, 150, 44).lines[0]
        )
        assert not painter._Title("city مدينة", 400, 150, 44).right


class TestFiles:
    @pytest.mark.parametrize(
        "size", [(16, 16), (17, 33), (128, 128), (127, 300), (16, 4096), (4096, 16), (1900, 130), (333, 517)]
    )
    @pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
    def test_the_picture_has_the_asked_size_and_format(self, size: tuple[int, int], output_format: str) -> None:
        result = picture(painted("a city", size=size, output_format=output_format))
        assert (result.size, result.format) == (size, output_format.upper())

    @pytest.mark.parametrize("count", [0, 1, 2])
    def test_a_large_picture_is_that_of_half_its_size(self, count: int) -> None:
        inputs = [file(photograph())] * count
        large, small, other = (
            picture(painted(prompt, size=size, output_format="jpeg", images=inputs))
            for prompt, size in (("night", (3001, 2777)), ("night", (1500, 1388)), ("dawn!", (1500, 1388)))
        )
        assert large.size == (3001, 2777)
        large, small, other = (each.resize((300, 277)) for each in (large, small, other))
        assert difference(large, small) < difference(large, other) / 5

    @settings(max_examples=12)
    @given(st.integers(16, 400), st.integers(16, 400), st.text(max_size=60))
    def test_any_prompt_can_be_painted_at_any_size(self, width: int, height: int, prompt: str) -> None:
        assert picture(painted(prompt, size=(width, height))).size == (width, height)

    def test_an_unknown_format_is_refused(self) -> None:
        with pytest.raises(ValueError, match="png, jpeg or webp"):
            painted(output_format="gif")

    def test_png_has_prompt_model_seed_and_mark(self) -> None:
        text = picture(painted("猫 in a café")).info
        assert (text["prompt"], text["model"], text["seed"]) == ("猫 in a café", "grok-image/grok-4.2-image", "7")
        assert text["Software"] == MARK

    @pytest.mark.parametrize("output_format", ["jpeg", "webp"])
    def test_exif_has_prompt_model_seed_and_mark(self, output_format: str) -> None:
        exif = picture(painted("猫 in a café", output_format=output_format)).getexif()
        about = json.loads(exif[ExifTags.Base.ImageDescription])
        assert (about["prompt"], about["model"], about["seed"]) == ("猫 in a café", "grok-image/grok-4.2-image", 7)
        assert "not a real generation" in exif[ExifTags.Base.Software]

    @pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
    @pytest.mark.parametrize("prompt", NASTY.values(), ids=NASTY)
    def test_no_prompt_is_too_strange_for_a_file(self, prompt: str, output_format: str) -> None:
        assert picture(painted(prompt, size=(32, 32), output_format=output_format)).size == (32, 32)


class TestEdits:
    @pytest.mark.parametrize("prompt", ["make it a warm sunset", "blue and purple night", "softer", "in the snow"])
    def test_an_edit_shows_all_of_its_input_in_other_colours(self, prompt: str) -> None:
        source = photograph(SIZE)
        result = picture(painted(prompt, size=SIZE, images=[file(source)])).convert("L")
        assert difference(result, source) > 8
        # The bright ellipse and the dark rectangle of the input are still where they were, in the smaller picture.
        values = result.tobytes()
        ellipse, rectangle = values[85 * result.width + 88], values[75 * result.width + 178]
        assert ellipse - rectangle > 40

    def test_the_captions_of_edits_stack(self) -> None:
        first = [painted(f"night {word}", size=SIZE, images=[file(photograph(SIZE))]) for word in ("wwww", "iiii")]
        second = [painted("rain", size=SIZE, images=[data]) for data in first]
        own = [painted(f"rain {word}", size=SIZE, images=[first[0]], seed=1) for word in ("wwww", "iiii")]
        earlier, later = changed(*first), changed(*second)
        assert later[1] > 128, "the first caption is in the lower half of the second edit"
        assert later[3] < earlier[3], "above where it was before"
        assert changed(*own)[3] > later[3], "and the second caption below it"

    def test_a_tiny_edit_is_painted(self) -> None:
        assert picture(painted(size=(16, 16), images=[file(photograph())])).size == (16, 16)

    def test_exif_orientation_is_honoured(self) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        turned = photograph().transpose(Image.Transpose.ROTATE_90)
        upright, rotated = (
            painted("sepia", size=(120, 90), images=[data]) for data in (file(photograph()), file(turned, exif=exif))
        )
        assert upright == rotated

    @pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I", "I;16", "F", "LAB"])
    def test_every_mode_is_taken(self, mode: str) -> None:
        kind = "PNG" if mode in {"1", "L", "LA", "P", "RGB", "RGBA", "I;16"} else "TIFF"
        grey = photograph().convert("L")
        if mode == "I;16":
            source = grey.convert("I").point(lambda v: v * 256).convert("I;16")
        elif mode == "LAB":
            source = noise((40, 30), "LAB")
        else:
            source = (grey if mode in {"I", "F"} else photograph()).convert(mode)
        assert picture(painted(size=(120, 90), images=[file(source, kind)])).size == (120, 90)

    def test_sixteen_bits_keep_their_light(self) -> None:
        grey = photograph((96, 96)).convert("L")
        deep = grey.convert("I").point(lambda v: v * 256).convert("I;16")
        results = [picture(painted("sepia", images=[file(image)])) for image in (grey, deep)]
        assert difference(*results) < 8

    def test_an_animation_gives_its_first_frame(self) -> None:
        frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
        moving = file(frames[0], "GIF", save_all=True, append_images=frames[1:])
        assert painted(images=[moving]) == painted(images=[file(frames[0].quantize(), "GIF")])

    def test_transparent_palettes_are_taken(self) -> None:
        source = photograph().quantize(8)
        for transparency in (0, bytes(range(8))):
            data = file(source, transparency=transparency)
            assert picture(painted(size=(160, 120), images=[data])).size == (160, 120)


def corrupted() -> list[tuple[str, bytes]]:
    png, jpeg = file(photograph()), file(photograph(), "JPEG")
    return [
        ("nothing", b""),
        ("words", b"not a picture at all"),
        ("half a png", png[: len(png) // 2]),
        ("half a jpeg", jpeg[: len(jpeg) // 2]),
        ("only a signature", b"\x89PNG\r\n\x1a\n"),
        ("a postscript program", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
    ]


class TestRefusals:
    @pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in corrupted()])
    def test_what_is_no_whole_picture_is_refused(self, data: bytes) -> None:
        with pytest.raises(ValueError, match="not a picture"):
            painted(images=[data])
        with pytest.raises(ValueError, match="not a picture"):
            painted(images=[file(photograph())], mask=data)

    @pytest.mark.parametrize("size", [(8001, 8000), (20_000, 20_000)])
    def test_more_than_64_megapixels_are_refused_before_they_are_decoded(self, size: tuple[int, int]) -> None:
        chunk = b"IHDR" + size[0].to_bytes(4) + size[1].to_bytes(4) + b"\x08\x02\0\0\0"
        png = file(Image.new("RGB", (1, 1)))
        with pytest.raises(ValueError, match="megapixels"):
            painted(images=[png[:12] + chunk + zlib.crc32(chunk).to_bytes(4) + png[33:]])


def _white(region: Image.Image) -> Image.Image:
    return region


def _transparent(region: Image.Image) -> Image.Image:
    mask = Image.new("RGBA", region.size, (0, 0, 0, 255))
    mask.putalpha(ImageChops.invert(region))
    return mask


@st.composite
def regions(draw: st.DrawFn) -> Image.Image:
    width, height = draw(st.integers(16, 150)), draw(st.integers(16, 150))
    region = Image.new("L", (width, height))
    brush = ImageDraw.Draw(region)
    for _ in range(draw(st.integers(1, 3))):
        x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
        shape = draw(st.sampled_from([brush.ellipse, brush.rectangle]))
        shape((x, y, x + draw(st.integers(0, 90)), y + draw(st.integers(0, 90))), fill=255)
    return region


class TestMasks:
    @pytest.mark.parametrize(
        "convention", [pytest.param(_white, id="white"), pytest.param(_transparent, id="transparent")]
    )
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    @pytest.mark.parametrize("output_format", ["png", "webp"])
    @settings(max_examples=8)
    @given(region=regions())
    def test_only_masked_pixels_change(
        self, region: Image.Image, convention: Callable[[Image.Image], Image.Image], mode: str, output_format: str
    ) -> None:
        source = noise(region.size, mode)
        data = painted(
            "a dog", size=region.size, output_format=output_format, images=[file(source)], mask=file(convention(region))
        )
        result = picture(data).convert(mode)
        changes = ImageChops.difference(source, result)
        outside = Image.composite(Image.new(mode, region.size, (0,) * len(mode)), changes, region)
        assert outside.getbbox(alpha_only=False) is None
        inside = Image.composite(changes.convert("RGB"), Image.new("RGB", region.size), region).convert("L")
        altered, masked = (sum(v > 0 for v in image.tobytes()) for image in (inside, region))
        assert altered >= 0.8 * masked - 4

    def test_only_masked_pixels_of_a_large_picture_change(self) -> None:
        source, region = noise((3001, 2777), "RGB"), Image.new("L", (3001, 2777))
        ImageDraw.Draw(region).rectangle((5, 7, 2990, 2770), fill=255)
        result = picture(painted("a dog", size=source.size, images=[file(source)], mask=file(region)))
        changes = ImageChops.difference(source, result.convert("RGB"))
        assert Image.composite(Image.new("RGB", source.size), changes, region).getbbox() is None
        assert ImageStat.Stat(changes, region).mean[0] > 10

    def test_a_hole_in_the_input_is_filled(self) -> None:
        source = photograph().convert("RGBA")
        source.paste((0, 0, 0, 0), (40, 30, 120, 90))
        result = picture(painted("a dog", size=source.size, images=[file(source)], mask=file(source)))
        assert result.getchannel("A").getextrema() == (255, 255)
        assert result.crop((0, 0, 40, 120)).tobytes() == source.crop((0, 0, 40, 120)).tobytes()

    def test_a_mask_of_another_size_is_scaled(self) -> None:
        small = Image.new("L", (8, 6))
        small.paste(255, (4, 0, 8, 6))
        result = picture(painted("a dog", size=(160, 120), images=[file(photograph())], mask=file(small)))
        assert result.crop((0, 0, 80, 120)).tobytes() == photograph().crop((0, 0, 80, 120)).tobytes()
        assert difference(result.crop((80, 0, 160, 120)), photograph().crop((80, 0, 160, 120))) > 10

    def test_an_empty_mask_changes_nothing(self) -> None:
        result = picture(painted(size=(160, 120), images=[file(photograph())], mask=file(Image.new("L", (160, 120)))))
        assert result.tobytes() == photograph().tobytes()

    def test_a_picture_of_another_size_is_scaled(self) -> None:
        mask = file(Image.new("L", (160, 120), 255))
        result = picture(
            painted(size=(90, 70), output_format="jpeg", images=[file(photograph().convert("RGBA"))], mask=mask)
        )
        assert result.size == (90, 70)

    @pytest.mark.parametrize("shape", ["rectangle", "ellipse"])
    def test_the_title_of_a_large_mask_stands_inside_of_it(self, shape: str) -> None:
        source = photograph((400, 400))
        region = Image.new("L", source.size)
        getattr(ImageDraw.Draw(region), shape)((100, 100, 349, 349), fill=255)
        one, other = (
            painted(f"{word} at night", size=source.size, images=[file(source)], mask=file(region))
            for word in ("wwww", "iiii")
        )
        for data in (one, other):
            lettering = picture(data).convert("L").crop((150, 250, 310, 310))
            assert ImageStat.Stat(lettering).stddev[0] > 10
        assert changed(one, other)[1] >= 100

    @pytest.mark.parametrize("size", [(160, 120), (80, 60)])
    def test_a_colour_profile_survives(self, size: tuple[int, int]) -> None:
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        mask = file(Image.new("L", (160, 120), 255))
        data = painted(size=size, images=[file(photograph(), icc_profile=profile)], mask=mask)
        assert picture(data).info["icc_profile"] == profile


class TestFusions:
    @pytest.mark.parametrize("count", [2, 3, 5, 16])
    def test_every_input_shows_in_its_own_place(self, count: int) -> None:
        inputs = [file(Image.new("RGB", (60, 60), (200, 60 + 8 * i, 40))) for i in range(count)]
        whole = painted("a quiet evening", size=(200, 160), images=inputs)
        places: set[tuple[int, int, int, int]] = set()
        for i in range(count):
            swapped = [*inputs[:i], file(Image.new("RGB", (60, 60), (20, 90, 240))), *inputs[i + 1 :]]
            place = changed(whole, painted("a quiet evening", size=(200, 160), images=swapped))
            assert (place[2] - place[0]) * (place[3] - place[1]) > 200 * 160 / count / 8
            places.add(place)
        assert len(places) == count

    @pytest.mark.parametrize("size", [(16, 16), (40, 300), (300, 30)])
    def test_a_fusion_is_painted_at_any_size(self, size: tuple[int, int]) -> None:
        assert picture(painted("a fox", size=size, images=[file(photograph())] * 4)).size == size


def test_the_module_exports_only_paint() -> None:
    assert painter.__all__ == ["paint"]
