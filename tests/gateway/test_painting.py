"""The painter of the local gateway."""

import io
import json
import math
import os
import random
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageChops, ImageDraw, ImageStat

from apimodels_async.gateway import painting
from apimodels_async.gateway.painting import paint
from apimodels_async.gateway.painting.canvas import Canvas
from apimodels_async.gateway.painting.encoding import MARK
from apimodels_async.gateway.painting.lettering import elided, plain
from apimodels_async.gateway.painting.motifs.table import MOTIFS
from apimodels_async.gateway.painting.vocabulary import SUBJECTS
from apimodels_async.gateway.painting.words import read

CAT = "A cute cat wearing a space helmet, digital art"


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


def noise(size: tuple[int, int], mode: str = "RGB", seed: int = 1) -> Image.Image:
    channels = len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, random.Random(seed).randbytes(size[0] * size[1] * channels))


def photograph(size: tuple[int, int] = (160, 120)) -> Image.Image:
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    draw = ImageDraw.Draw(image)
    draw.ellipse((size[0] * 0.1, size[1] * 0.1, size[0] * 0.5, size[1] * 0.7), fill=(230, 200, 60))
    draw.rectangle((size[0] * 0.6, size[1] * 0.15, size[0] * 0.9, size[1] * 0.5), fill=(20, 30, 70))
    return image


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean difference of two pictures, 0 to 255."""
    return sum(ImageStat.Stat(ImageChops.difference(a.convert("RGB"), b.convert("RGB"))).mean) / 3


def correlation(a: Image.Image, b: Image.Image) -> float:
    first, second = (list(image.convert("L").resize((24, 24), Image.Resampling.BOX).tobytes()) for image in (a, b))
    mean_a, mean_b = sum(first) / len(first), sum(second) / len(second)
    above = sum((x - mean_a) * (y - mean_b) for x, y in zip(first, second, strict=True))
    return above / math.sqrt(sum((x - mean_a) ** 2 for x in first) * sum((y - mean_b) ** 2 for y in second))


class TestTheSameAgain:
    def test_the_same_arguments_give_the_same_bytes(self) -> None:
        assert painted() == painted()

    def test_another_process_with_another_hash_seed_gives_the_same_bytes(self) -> None:
        code = (
            "import hashlib; from apimodels_async.gateway.painting import paint;"
            "print(hashlib.sha256(paint(prompt='a red fox and two birds in the rain, watercolor', model='m', seed=3,"
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

    def test_the_global_dice_are_neither_used_nor_moved(self) -> None:
        random.seed(5)
        before = random.getstate()
        first = painted()
        assert random.getstate() == before
        random.seed(6)
        assert painted() == first

    @pytest.mark.parametrize("change", [{"prompt": "a dog"}, {"model": "other"}, {"seed": 8}, {"index": 1}])
    def test_every_argument_matters(self, change: dict[str, Any]) -> None:
        assert difference(picture(painted()), picture(painted(**change))) > 1

    @pytest.mark.parametrize("prompt", [CAT, "time passes quietly", "the sea at sunset", "a coffee cup"])
    def test_n_indexes_give_n_visibly_different_pictures(self, prompt: str) -> None:
        pictures = [picture(painted(prompt, index=index)) for index in range(4)]
        for i, one in enumerate(pictures):
            for other in pictures[:i]:
                assert difference(one, other) > 4


class TestSizeAndFormat:
    @pytest.mark.parametrize(
        "size", [(16, 16), (17, 33), (128, 128), (127, 300), (16, 700), (1900, 16), (640, 360), (333, 517)]
    )
    @pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
    def test_the_picture_has_the_asked_size_and_format(self, size: tuple[int, int], output_format: str) -> None:
        result = picture(painted(size=size, output_format=output_format))
        assert (result.size, result.format) == (size, output_format.upper())

    @settings(max_examples=12, deadline=None)
    @given(st.integers(16, 400), st.integers(16, 400), st.text(max_size=60))
    def test_any_prompt_can_be_painted_at_any_size(self, width: int, height: int, prompt: str) -> None:
        assert picture(painted(prompt, size=(width, height))).size == (width, height)

    @pytest.mark.parametrize("size", [(16, 4096), (4096, 16)])
    def test_a_thread_of_a_picture_is_painted(self, size: tuple[int, int]) -> None:
        assert picture(painted("a city", size=size)).size == size

    def test_an_unknown_format_is_refused(self) -> None:
        with pytest.raises(ValueError, match="png, jpeg or webp"):
            painted(output_format="gif")


class TestCanvas:
    @pytest.mark.parametrize("x", [-50.0, -10.0, -10.0001, -9.9999, 30.0, 30.0001, 29.9999, 39.5, 40.0, 99.0])
    def test_what_lies_half_or_wholly_outside_is_cut_off(self, x: float) -> None:
        canvas = Canvas((30, 30), (0, 0, 0))
        canvas.pen().glow(x, 10, 10, (255, 255, 255))
        canvas.pen().shaded([(x, 0), (x + 5, 0), (x + 5, x), (x, x)], (255, 0, 0), (0, 0, 255))
        canvas.pen().inside([(x, 0), (x + 5, 0), (x + 5, 9)], [([(0, 0), (30, 0), (30, 30)], (1, 2, 3))])
        assert canvas.size == (30, 30)


class TestWords:
    def test_a_cat_in_a_space_helmet_is_understood(self) -> None:
        reading = read(CAT)
        assert [subject.name for subject in reading.subjects] == ["cat"]
        assert "helmet" in reading.wears
        assert reading.setting == "space"

    def test_a_colour_belongs_to_what_follows_it(self) -> None:
        reading = read("a red boat on a blue lake")
        assert reading.subjects[0].tint == (216, 67, 59)
        assert len(reading.colours) == 1

    @pytest.mark.parametrize(("prompt", "count"), [("a fox", 1), ("two foxes", 2), ("penguins", 3), ("five wolves", 5)])
    def test_numbers_and_plurals_are_counted(self, prompt: str, count: int) -> None:
        assert read(prompt).subjects[0].count == count

    def test_a_coloured_sky_colours_the_sky_alone(self) -> None:
        reading = read("a house under a pink sky")
        assert reading.overhead is not None
        assert reading.colours == ()

    def test_a_golden_retriever_keeps_its_own_coat(self) -> None:
        (dog,) = read("Replace with a golden retriever").subjects
        assert (dog.name, dog.tint) == ("retriever", None)

    def test_a_wizard_rabbit_is_one_rabbit_in_a_hat(self) -> None:
        reading = read("a wizard rabbit")
        assert [subject.name for subject in reading.subjects] == ["rabbit"]
        assert "hat" in reading.wears

    def test_coral_is_no_colour_in_a_reef(self) -> None:
        assert read("a coral reef").colours == ()

    def test_words_of_languages_without_spaces_are_found(self) -> None:
        assert [subject.name for subject in read("一只可爱的猫").subjects] == ["cat"]

    @pytest.mark.parametrize("name", sorted(set(SUBJECTS.values()) - {"mountains"}))
    def test_every_known_subject_is_drawn(self, name: str) -> None:
        assert name in MOTIFS
        word = next(word for word, meaning in SUBJECTS.items() if meaning == name)
        with_it, without = (picture(painted(f"{thing} in a meadow", size=(64, 64))) for thing in (word, "nothing"))
        assert difference(with_it, without) > 2

    @pytest.mark.parametrize(
        "mood",
        [
            "watercolor",
            "pixel art",
            "vintage",
            "black-and-white",
            "cyberpunk",
            "foggy",
            "rainy",
            "snowy",
            "autumn",
            "aurora",
            "rainbow",
            "minimal",
        ],
    )
    def test_a_mood_changes_the_picture(self, mood: str) -> None:
        assert difference(picture(painted("a house in a meadow")), picture(painted(f"a house in a meadow, {mood}"))) > 2

    @pytest.mark.parametrize(
        "place", ["mountains", "ocean", "reef", "forest", "city", "galaxy", "desert", "meadow", "table"]
    )
    @pytest.mark.parametrize(
        "company", ["", "a cat with scarf, hat, glasses and bow", "a queen", "three ducks and a balloon"]
    )
    def test_every_place_takes_every_company(self, place: str, company: str) -> None:
        assert picture(painted(f"{place} {company}", size=(60, 40))).size == (60, 40)


class TestLettering:
    def test_the_prompt_and_the_mark_are_lettered_below_the_picture(self) -> None:
        margin = picture(painted(size=(512, 512))).convert("L").crop((12, 484, 500, 510))
        assert ImageStat.Stat(margin).extrema[0][1] - ImageStat.Stat(margin).extrema[0][0] > 100
        for half in ((0, 0, 244, 26), (244, 0, 488, 26)):
            assert ImageStat.Stat(margin.crop(half)).stddev[0] > 5

    def test_accents_fall_off_and_unknown_letters_leave_a_dot(self) -> None:
        assert plain("Ein süßes Café — naïve 猫 time") == "Ein susses Cafe - naive · time"

    @pytest.mark.parametrize("prompt", ["一只可爱的猫", "🙂", "", "\ud800"])
    def test_a_prompt_the_font_cannot_show_is_left_to_the_metadata(self, prompt: str) -> None:
        assert "metadata" in plain(prompt)
        assert painted(prompt, size=(200, 200))

    def test_a_long_prompt_ends_in_an_ellipsis(self) -> None:
        assert elided("a very long prompt " * 9, 12, 150).endswith("…")
        assert elided("short", 12, 150) == "short"
        assert elided("no room at all", 12, 4) == ""


class TestMetadata:
    def test_png_carries_prompt_model_seed_and_mark(self) -> None:
        text = picture(painted("猫 in a café")).info
        assert (text["prompt"], text["model"], text["seed"]) == ("猫 in a café", "grok-image/grok-4.2-image", "7")
        assert text["Software"] == MARK

    @pytest.mark.parametrize("output_format", ["jpeg", "webp"])
    def test_exif_carries_prompt_model_seed_and_mark(self, output_format: str) -> None:
        exif = picture(painted("猫 in a café", output_format=output_format)).getexif()
        about = json.loads(exif[ExifTags.Base.ImageDescription])
        assert (about["prompt"], about["model"], about["seed"]) == ("猫 in a café", "grok-image/grok-4.2-image", 7)
        assert "not a real generation" in exif[ExifTags.Base.Software]

    @pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
    @pytest.mark.parametrize("prompt", ["🙂" * 40_000, "a\0b\ud800c", "x" * 70_000])
    def test_no_prompt_is_too_strange_for_a_file(self, prompt: str, output_format: str) -> None:
        assert picture(painted(prompt, size=(32, 32), output_format=output_format)).size == (32, 32)


class TestEdits:
    @pytest.mark.parametrize("prompt", ["make it a warm sunset", "blue and purple night", "add a cat", "in the snow"])
    def test_an_edit_is_recognisably_its_input_but_not_the_same(self, prompt: str) -> None:
        source = photograph((256, 256))
        result = picture(painted(prompt, size=(256, 256), images=[file(source)]))
        inner = result.crop((8, 8, 248, 232))
        expected = source.crop((0, 0, 256, 239)).resize(inner.size)
        assert correlation(inner, expected) > 0.6
        assert difference(inner, expected) > 4

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
        source = grey.convert("I").point(lambda v: v * 256).convert("I;16") if mode == "I;16" else None
        if source is None:
            source = (
                noise((40, 30), "LAB")
                if mode == "LAB"
                else (grey if mode in {"I", "F"} else photograph()).convert(mode)
            )
        assert picture(painted(images=[file(source, kind)])).size == (96, 96)

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
        assert painted(images=[file(source, transparency=0)])
        assert painted(images=[file(source, transparency=bytes(range(8)))])


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
        header = size[0].to_bytes(4) + size[1].to_bytes(4) + b"\x08\x02\0\0\0"
        png = file(Image.new("RGB", (1, 1)))
        with pytest.raises(ValueError, match="megapixels"):
            painted(images=[_with_header(png, header)])


def _with_header(png: bytes, header: bytes) -> bytes:
    import zlib

    chunk = b"IHDR" + header
    return png[:12] + chunk + zlib.crc32(chunk).to_bytes(4) + png[33:]


def _white(region: Image.Image) -> Image.Image:
    return region


def _transparent(region: Image.Image) -> Image.Image:
    mask = Image.new("RGBA", region.size, (0, 0, 0, 255))
    mask.putalpha(ImageChops.invert(region))
    return mask


CONVENTIONS = [pytest.param(_white, id="white"), pytest.param(_transparent, id="transparent")]


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
    @pytest.mark.parametrize("convention", CONVENTIONS)
    @pytest.mark.parametrize("mode", ["RGB", "RGBA"])
    @pytest.mark.parametrize("output_format", ["png", "webp"])
    @settings(max_examples=8, deadline=None)
    @given(region=regions())
    def test_only_masked_pixels_change(
        self, region: Image.Image, convention: Callable[[Image.Image], Image.Image], mode: str, output_format: str
    ) -> None:
        source = noise(region.size, mode)
        data = painted(
            "a dog", size=region.size, output_format=output_format, images=[file(source)], mask=file(convention(region))
        )
        result = picture(data).convert(mode)
        changed = ImageChops.difference(source, result)
        outside = Image.composite(Image.new(mode, region.size, (0,) * len(mode)), changed, region)
        assert outside.getbbox(alpha_only=False) is None
        altered = sum(
            v > 0
            for v in Image.composite(changed.convert("RGB"), Image.new("RGB", region.size), region)
            .convert("L")
            .tobytes()
        )
        assert altered >= 0.8 * sum(v > 0 for v in region.tobytes()) - 4

    def test_a_hole_in_the_input_is_filled(self) -> None:
        source = photograph().convert("RGBA")
        source.putalpha(_white(Image.new("L", source.size, 255)))
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

    def test_a_large_mask_carries_the_lettering_inside(self) -> None:
        source = photograph((400, 400))
        region = Image.new("L", source.size)
        region.paste(255, (100, 100, 350, 350))
        first, second = (
            picture(painted(prompt, size=source.size, images=[file(source)], mask=file(region)))
            for prompt in ("a dog", "a dog a")
        )
        for result in (first, second):
            assert ImageStat.Stat(result.convert("L").crop((110, 332, 340, 348))).stddev[0] > 5

    def test_a_colour_profile_survives(self) -> None:
        from PIL import ImageCms

        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        mask = file(Image.new("L", (160, 120), 255))
        data = painted(size=(160, 120), images=[file(photograph(), icc_profile=profile)], mask=mask)
        assert picture(data).info["icc_profile"] == profile


class TestFusions:
    @pytest.mark.parametrize("count", [2, 3, 5])
    def test_every_input_shows_in_its_own_place(self, count: int) -> None:
        inputs = [file(Image.new("RGB", (60, 60), (200, 60 + 20 * i, 40))) for i in range(count)]
        whole = picture(painted("a quiet evening", size=(200, 160), images=inputs))
        places: list[tuple[int, int, int, int] | None] = []
        for i in range(count):
            swapped = [*inputs[:i], file(Image.new("RGB", (60, 60), (20, 90, 240))), *inputs[i + 1 :]]
            changed = ImageChops.difference(whole, picture(painted("a quiet evening", size=(200, 160), images=swapped)))
            places.append(changed.convert("L").point([0] * 20 + [255] * 236).getbbox())
        assert None not in places
        assert len(set(places)) == count
        for place in filter(None, places):
            assert (place[2] - place[0]) * (place[3] - place[1]) > 200 * 160 / count / 4

    def test_a_fusion_with_a_subject_is_painted_at_any_size(self) -> None:
        inputs = [file(photograph())] * 4
        for size in ((16, 16), (40, 300), (300, 30)):
            assert picture(painted("a fox", size=size, images=inputs)).size == size


def test_the_package_exports_only_paint() -> None:
    assert painting.__all__ == ["paint"]
