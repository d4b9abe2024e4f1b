"""Whole films and their frames. A film takes four to six seconds of CPU: one is made and looked at from many sides."""

from __future__ import annotations

import hashlib
import io
import itertools
from dataclasses import dataclass
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from PIL import Image

from providers.studio.errors import Cancelled, NoFace, UnreadablePhoto
from providers.studio.film.encode import to_bt709
from providers.studio.film.music.sound import loudness
from providers.studio.film.person.photo import read_photo
from providers.studio.film.render import Film, Renderer
from providers.studio.film.shots import CUTS, FRAME_COUNT, POSTER_FRAME
from providers.studio.film.titles import disclosure
from providers.studio.film.titles.disclosure import make_disclosure


@dataclass
class Made:
    film: Film
    progress: list[float]
    poster_at: list[float]  # the progress when the poster came
    poster_complete: bool
    video_there: bool  # when the poster came


def render(renderer: Renderer, photo: bytes, folder: Path, **changes) -> Made:
    progress: list[float] = []
    seen: list[tuple[float, bool, bool]] = []

    def on_poster(path: Path) -> None:
        complete = cv2.imread(str(path)) is not None
        seen.append((progress[-1], complete, (folder / "film.mp4").exists()))

    options = {"look": "neon-noir", "hero_name": "Nova-7", "seed": "test", "should_stop": lambda: False} | changes
    film = renderer.render(photo, folder=folder, on_progress=progress.append, on_poster=on_poster, **options)
    return Made(film, progress, [at for at, _, _ in seen], seen[0][1], seen[0][2])


@pytest.fixture(scope="module")
def made(renderer, astronaut, tmp_path_factory) -> Made:
    return render(renderer, astronaut, tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def pictures(made) -> list[np.ndarray]:
    """Every third frame of the film, as a player decodes it."""
    with av.open(str(made.film.video)) as container:
        return [
            frame.to_ndarray(format="bgr24")
            for number, frame in enumerate(container.decode(video=0))
            if number % 3 == 0
        ]


def director(renderer: Renderer, photo: bytes, seed: str = "test", look: str = "neon-noir"):
    return renderer.direct(read_photo(photo), look=look, hero_name="Nova-7", seed=seed)


def digest(pixels: np.ndarray) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()


def as_png(pixels: np.ndarray) -> bytes:
    return cv2.imencode(".png", pixels)[1].tobytes()


@pytest.mark.slow
def test_the_film_is_what_every_phone_plays(made):
    with av.open(str(made.film.video)) as container:
        video, sound = container.streams.video[0], container.streams.audio[0]
        assert (video.codec_context.name, video.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert (video.width, video.height, float(video.average_rate)) == (720, 1280, 24.0)
        assert video.frames == FRAME_COUNT == made.film.frames
        assert (sound.codec_context.name, sound.channels, sound.rate) == ("aac", 2, 44100)
        assert container.duration / av.time_base == pytest.approx(made.film.seconds, abs=0.06)
    assert 1_000_000 < made.film.video.stat().st_size < 5_000_000


def as_annex_b(video: Path) -> bytes:
    """The film's H.264 alone, without what the container says about it."""
    buffer = io.BytesIO()
    with av.open(str(video)) as film, av.open(buffer, "w", format="h264") as bare:
        stream = bare.add_stream_from_template(film.streams.video[0])
        for packet in film.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                bare.mux(packet)
    return buffer.getvalue()


@pytest.mark.slow
def test_the_film_says_whole_in_stream_and_container_that_its_colours_are_bt709(made):
    with av.open(io.BytesIO(as_annex_b(made.film.video)), format="h264") as bare:
        frame = next(bare.decode(video=0))
    told = (frame.color_primaries, frame.color_trc, frame.colorspace, frame.color_range)
    assert told == (ColorPrimaries.BT709, ColorTrc.BT709, Colorspace.ITU709, ColorRange.MPEG)
    data = made.film.video.read_bytes()
    box = data.index(b"colrnclx") + 8
    assert data[box : box + 7] == bytes([0, 1, 0, 1, 0, 1, 0])  # primaries, transfer, matrix, not full range


@pytest.mark.slow
def test_the_film_has_a_title_and_a_description(made):
    with av.open(str(made.film.video)) as container:
        told = container.metadata
    assert told["title"] == "Nova-7 · Selfie Hero"
    assert "Selfie Hero" in told["description"]
    assert set(told) <= {"title", "description", "major_brand", "minor_version", "compatible_brands", "encoder"}


def test_a_frame_is_converted_by_bt709():
    """Red, green, blue, white and a mixed colour, against the definition."""
    for blue, green, red in ((0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255), (40, 90, 200)):
        picture = cv2.cvtColor(np.full((16, 16, 3), (blue, green, red), np.uint8), cv2.COLOR_BGR2YUV_I420)
        to_bt709(picture)
        luma = (0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255
        wanted = (
            16 + 219 * luma,
            128 + 224 * (blue / 255 - luma) / 1.8556,
            128 + 224 * (red / 255 - luma) / 1.5748,
        )
        shown = [float(plane.mean()) for plane in (picture[:16], picture[16:20], picture[20:])]
        assert shown == pytest.approx(wanted, abs=2)


def test_black_beside_a_strong_colour_stays_black():
    picture = cv2.cvtColor(np.full((16, 16, 3), (0, 0, 255), np.uint8), cv2.COLOR_BGR2YUV_I420)
    picture[:16, ::2] = 16
    to_bt709(picture)
    assert picture[:16, ::2].max() < 16


@pytest.mark.slow
def test_the_index_comes_first_so_that_the_film_starts_at_once(made):
    data = made.film.video.read_bytes()
    assert 0 < data.index(b"moov") < data.index(b"mdat")


@pytest.mark.slow
def test_the_sound_is_loud_enough_and_does_not_clip(made):
    with av.open(str(made.film.video)) as container:
        blocks = [frame.to_ndarray() for frame in container.decode(audio=0)]
    sound = np.concatenate(blocks, axis=1)
    assert sound.shape[1] / 44100 == pytest.approx(made.film.seconds, abs=0.06)
    assert np.abs(sound).max() < 1.0
    assert loudness(sound) == pytest.approx(-16, abs=1)


@pytest.mark.slow
def test_no_frame_is_black_before_the_fade(pictures):
    assert all(picture.mean() > 25 and picture.std() > 20 for picture in pictures[:-2])


@pytest.mark.slow
def test_every_shot_shows_something_else_and_moves(pictures):
    starts = [int(second * 24 / 3) + 4 for second in (0, *CUTS)]
    shots = [cv2.resize(pictures[start], (72, 128), interpolation=cv2.INTER_AREA).astype(int) for start in starts]
    for one, other in itertools.pairwise(shots):
        assert np.abs(one - other).mean() > 12
    for start in starts:
        assert np.abs(pictures[start].astype(int) - pictures[start + 1]).mean() > 1.5


@pytest.mark.slow
def test_the_first_shot_is_the_plain_selfie(pictures, astronaut):
    selfie = cv2.imdecode(np.frombuffer(astronaut, np.uint8), cv2.IMREAD_COLOR)
    face = selfie[90:170, 170:275]

    def likeness(picture: np.ndarray) -> float:
        sizes = [cv2.resize(face, None, fx=scale, fy=scale) for scale in np.linspace(2.2, 3.4, 9)]
        return max(cv2.matchTemplate(picture, size, cv2.TM_CCOEFF_NORMED).max() for size in sizes)

    assert likeness(pictures[1]) > 0.85
    assert likeness(pictures[20]) < 0.8


@pytest.mark.slow
def test_the_poster_comes_first_and_is_the_title_frame(made):
    assert made.poster_at == [0.0]
    assert made.poster_complete
    assert not made.video_there
    poster = cv2.imread(str(made.film.poster))
    assert poster.shape == (1280, 720, 3)
    with av.open(str(made.film.video)) as container:
        frames = [frame for number, frame in enumerate(container.decode(video=0)) if number == POSTER_FRAME]
    difference = np.abs(poster.astype(int) - frames[0].to_ndarray(format="bgr24")).mean()
    assert difference < 8


@pytest.mark.slow
def test_every_frame_and_the_poster_say_at_first_sight_that_a_program_made_them(made, pictures):
    sign = make_disclosure()
    letters, ground = sign[..., 0] > 200, (sign[..., 0] == 0) & (sign[..., 3] > 100)
    place = np.s_[
        disclosure.TOP : disclosure.TOP + disclosure.HEIGHT, disclosure.LEFT : disclosure.LEFT + disclosure.WIDTH
    ]
    for picture in [*pictures, cv2.imread(str(made.film.poster))]:
        luma = cv2.cvtColor(picture[place], cv2.COLOR_BGR2GRAY).astype(int)
        assert luma[letters].mean() > luma[ground].mean() + 80


@pytest.mark.slow
@pytest.mark.parametrize("look", ["neon-noir", "daybreak"])
def test_the_sign_covers_no_face(renderer, astronaut, look):
    shown = director(renderer, astronaut, look=look)
    for number in range(int(CUTS[0] * 24) + 1, FRAME_COUNT, 4):
        x, y = shown.shown(number).T[:2]
        right, bottom = disclosure.LEFT + disclosure.WIDTH, disclosure.TOP + disclosure.HEIGHT
        assert not ((x > disclosure.LEFT) & (x < right) & (y > disclosure.TOP) & (y < bottom)).any()


@pytest.mark.slow
def test_progress_rises_from_nothing_to_one(made):
    assert made.progress[0] == 0.0
    assert made.progress[-1] == 1.0
    assert len(made.progress) > FRAME_COUNT
    assert all(later > earlier for earlier, later in zip(made.progress[:-1], made.progress[1:], strict=True))


@pytest.mark.slow
def test_nothing_but_film_and_poster_is_left(made):
    assert sorted(path.name for path in made.film.video.parent.iterdir()) == ["film.mp4", "poster.jpg"]


@pytest.mark.parametrize("moment", [0, 1, 2, 8])
def test_a_cancelled_film_leaves_nothing(renderer, astronaut, tmp_path, moment):
    asked = iter(range(1000))
    with pytest.raises(Cancelled):
        render(renderer, astronaut, tmp_path, should_stop=lambda: next(asked) >= moment)
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_frames_are_drawn_leaves_nothing(renderer, astronaut, tmp_path):
    def on_progress(value: float) -> None:
        if value > 0.12:
            raise RuntimeError("the pipe is gone")

    with pytest.raises(RuntimeError, match="pipe"):
        renderer.render(
            astronaut,
            look="neon-noir",
            hero_name="",
            seed="x",
            folder=tmp_path,
            on_progress=on_progress,
            on_poster=lambda path: None,
            should_stop=lambda: False,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_not_a_hang(renderer, astronaut, tmp_path):
    (tmp_path / "film.mp4.part").mkdir()  # a file that cannot be opened
    with pytest.raises(OSError):
        render(renderer, astronaut, tmp_path)


def test_a_picture_without_a_face_has_no_film(renderer, tmp_path):
    cup = np.full((600, 480, 3), 190, np.uint8)
    cv2.ellipse(cup, (240, 330), (110, 150), 0, 0, 360, (60, 90, 200), -1)
    cv2.ellipse(cup, (350, 330), (60, 70), 0, -90, 90, (60, 90, 200), 18)
    for picture in (cup, np.zeros((300, 200, 3), np.uint8)):
        with pytest.raises(NoFace):
            render(renderer, as_png(picture), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_picture_are_unreadable(renderer, tmp_path):
    with pytest.raises(UnreadablePhoto):
        render(renderer, b"GIF89a but not really", tmp_path)


def test_an_unknown_look_is_refused(renderer, astronaut, tmp_path):
    with pytest.raises(ValueError, match="unknown look"):
        render(renderer, astronaut, tmp_path, look="vaporwave")


@pytest.mark.slow
def test_the_same_seed_draws_the_same_frames_and_another_seed_others(renderer, astronaut):
    numbers = (3, 27, 90, POSTER_FRAME)
    one = director(renderer, astronaut)
    hashes = [digest(one.frame(number)) for number in numbers]
    again = director(Renderer(), astronaut)
    assert [digest(again.frame(number)) for number in reversed(numbers)] == hashes[::-1]
    other = director(renderer, astronaut, seed="another")
    assert not set(hashes) & {digest(other.frame(number)) for number in numbers}


@pytest.mark.parametrize("look", ["chrome-samurai", "netrunner"])
def test_every_look_can_be_filmed(renderer, astronaut, look):
    shooting = director(renderer, astronaut, look=look)
    for number in (10, 60, 95, POSTER_FRAME):
        frame = shooting.frame(number)[..., :3]
        assert frame.mean() > 25
        assert frame.std() > 20


@pytest.mark.slow
def test_a_rotated_photo_gives_the_same_hero(renderer, astronaut):
    upright = Image.open(io.BytesIO(astronaut))
    exif = Image.Exif()
    exif[0x0112] = 8
    sideways = io.BytesIO()
    upright.transpose(Image.Transpose.ROTATE_270).save(sideways, "JPEG", quality=95, exif=exif)
    straight = director(renderer, astronaut).frame(POSTER_FRAME)[..., :3].astype(int)
    turned = director(renderer, sideways.getvalue()).frame(POSTER_FRAME)[..., :3].astype(int)
    assert np.abs(straight - turned).mean() < 3


def test_a_cut_out_photo_is_used_as_it_is_cut(renderer, astronaut):
    image = Image.open(io.BytesIO(astronaut)).convert("RGBA")
    mask = np.zeros((image.height, image.width), np.uint8)
    cv2.ellipse(mask, (222, 130), (90, 130), 0, 0, 360, 255, -1)
    cv2.rectangle(mask, (60, 240), (400, 511), 255, -1)
    image.putalpha(Image.fromarray(mask))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    shooting = director(renderer, buffer.getvalue())
    assert shooting.frame(2)[60:160, 30:120, :3].mean() < 70  # nothing of the photo's backdrop
    assert shooting.frame(POSTER_FRAME)[..., :3].mean() > 25


@pytest.mark.slow
def test_many_sizes_and_crops_can_be_filmed(renderer, astronaut):
    picture = cv2.imdecode(np.frombuffer(astronaut, np.uint8), cv2.IMREAD_COLOR)
    crops = (
        cv2.resize(picture, (150, 150), interpolation=cv2.INTER_AREA),
        picture[60:230, 130:320],  # hair, chin and sides cut
        picture[:, 190:],  # half of the face cut
        cv2.resize(picture, (2600, 2600)),
        cv2.convertScaleAbs(picture, alpha=0.18),
    )
    for crop in crops:
        shooting = director(renderer, as_png(crop))
        for number in (12, 60, 90, POSTER_FRAME):
            assert shooting.frame(number)[..., :3].std() > 15
