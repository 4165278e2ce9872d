"""Recordings: the same sound whatever file it came in, and no second of it lost."""

from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.config.schema import AudioPrepare
from holdfast.core.errors import InputError
from holdfast.core.media import modality_of
from holdfast.modality import prepare, probe
from holdfast.modality.audio import AudioPreparation
from holdfast.modality.container import _mp3_frames

KINDS: dict[str, dict[str, Any]] = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "wav float": {"format": "WAV", "subtype": "FLOAT"},
    "wavex": {"format": "WAVEX", "subtype": "PCM_24"},
    "rf64": {"format": "RF64", "subtype": "PCM_16"},
    "flac": {"format": "FLAC"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3"},
}
LOSSY = ("ogg", "opus", "mp3")


def encoded(sound: np.ndarray, rate: int = 16000, **options: Any) -> bytes:
    file = BytesIO()
    soundfile.write(file, sound, rate, **(options or KINDS["wav float"]))
    return file.getvalue()


def tone(hertz: float, seconds: float = 1.0, rate: int = 16000) -> np.ndarray:
    return (0.4 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def pitch(sound: np.ndarray, rate: int) -> float:
    """The loudest frequency in Hz."""
    spectrum = np.abs(np.fft.rfft(sound * np.hanning(len(sound))))
    return float(np.fft.rfftfreq(len(sound), 1 / rate)[spectrum.argmax()])


def decoded(data: bytes, **settings: Any) -> np.ndarray:
    return prepare(AudioPrepare(**{"rate": 16000, "window_s": 1.0, "hop_s": 0.5} | settings)).decode(data)


@cache
def sample(kind: str) -> bytes:
    noise = np.random.default_rng(0).standard_normal(8000).astype(np.float32)
    return encoded(tone(440, 0.5) + 0.05 * noise, **KINDS[kind])


class TestSound:
    @pytest.mark.parametrize("kind", KINDS)
    def test_each_format_gives_back_the_tone_that_was_written(self, kind: str) -> None:
        written = tone(1000, 1.0)

        got = decoded(encoded(written, **KINDS[kind]))

        assert got.dtype == np.float32
        assert got.shape == (1, 16000)
        assert pitch(got[0], 16000) == pytest.approx(1000, abs=2)
        if kind not in LOSSY:
            assert np.allclose(got[0], written, atol=1e-4)

    @pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
    def test_resampling_keeps_the_pitch_and_the_loudness(self, rate: int) -> None:
        from scipy.signal import resample_poly

        written = tone(1234, 1.0, rate)

        got = decoded(encoded(written, rate))[0]

        middle = slice(2000, 14000)
        assert pitch(got, 16000) == pytest.approx(1234, abs=2)
        assert np.allclose(got[middle], resample_poly(written, 16000, rate)[middle], atol=2e-3)
        assert np.allclose(got[middle], tone(1234)[middle], atol=1e-3)

    def test_what_is_too_high_for_the_rate_is_filtered_out_and_not_folded_down(self) -> None:
        got = decoded(encoded(tone(15000, 1.0, 48000), 48000))[0]

        assert np.abs(got[2000:14000]).max() < 1e-3

    def test_channels_are_averaged(self) -> None:
        left, right = tone(300), tone(500)

        got = decoded(encoded(np.stack([left, right], axis=1)))

        assert np.allclose(got[0], (left + right) / 2, atol=1e-6)

    def test_blocks_do_not_show_in_the_sound(self, monkeypatch: pytest.MonkeyPatch) -> None:
        noise = 0.1 * np.random.default_rng(0).standard_normal((40000, 2)).astype(np.float32)
        data = [encoded(noise, **KINDS[kind]) for kind in KINDS]
        whole = [decoded(one) for one in data]

        monkeypatch.setattr("holdfast.modality.audio._BLOCK", 999)

        assert all(np.array_equal(decoded(one), first) for one, first in zip(data, whole, strict=True))

    def test_silence_is_a_sound(self) -> None:
        assert not decoded(encoded(np.zeros(16000, dtype=np.float32))).any()

    def test_facts_are_those_of_the_file(self) -> None:
        data = encoded(np.zeros((11025, 2), dtype=np.float32), 22050, format="FLAC")

        assert probe("audio", data) == {"seconds": 0.5, "rate": 22050, "channels": 2, "format": "FLAC"}


class TestWindows:
    @settings(deadline=None)
    @given(st.integers(1, 40_000), st.integers(1, 100), st.integers(1, 100))
    def test_every_audio_sample_lies_in_a_window_and_no_window_is_idle(
        self, length: int, window_c: int, hop_c: int
    ) -> None:
        # Each audio sample is its own place, so a window shows which ones it holds.
        settings = AudioPrepare(
            rate=4000, window_s=window_c / 50, hop_s=min(hop_c, window_c) / 50, n_fft=64, f_max=2000
        )
        places = np.arange(1, length + 1, dtype=np.float32) / 65536
        window, hop = window_c * 80, min(hop_c, window_c) * 80

        parts = prepare(settings).decode(encoded(places, 4000))

        assert parts.shape[1] == window
        starts = np.arange(len(parts)) * hop
        for part, start in zip(parts, starts, strict=True):
            inside = places[start : start + window]
            assert np.array_equal(part[: len(inside)], inside)
            assert not part[len(inside) :].any()
        assert starts[-1] + window >= length
        assert len(parts) == 1 or starts[-2] + window < length

    @pytest.mark.parametrize(
        ("seconds", "windows"), [(0.01, 1), (1.0, 1), (1.001, 2), (1.5, 2), (1.51, 3), (2.0, 3), (10.0, 19)]
    )
    def test_the_number_of_windows_is_as_worked_out_by_hand(self, seconds: float, windows: int) -> None:
        assert len(decoded(encoded(tone(440, seconds)))) == windows

    def test_spans_are_the_seconds_of_each_window(self) -> None:
        preparation = prepare(AudioPrepare(rate=8000, window_s=2.0, hop_s=0.5, f_max=4000))

        assert preparation.spans(3) == [(0.0, 2.0), (0.5, 2.5), (1.0, 3.0)]

    def test_windows_of_several_recordings_make_a_batch(self) -> None:
        parts = [*decoded(encoded(tone(440, 2.0))), *decoded(encoded(tone(880, 0.1)))]

        assert prepare(AudioPrepare()).collate(parts).shape == (4, 16000)


class TestRefusals:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "empty file"),
            (b"<!DOCTYPE html>", "not a recording (starts with '<!DOCTYP')"),
            (b"RIFF\x04\x00\x00\x00WAVE", "truncated recording"),
            (encoded(np.zeros(0, dtype=np.float32)), "recording without any sound in it"),
            (encoded(np.array([0, np.nan], dtype=np.float32)), "recording with NaN or infinite samples"),
            (encoded(np.array([0, np.inf], dtype=np.float32)), "recording with NaN or infinite samples"),
            (
                encoded(np.zeros(99, dtype=np.float32), 100),
                "recording with 100 samples a second, outside 1,000 to 768,000",
            ),
            (sample("wav")[:-2], "truncated recording"),
            (b"fLaC" + bytes(60), "broken recording"),
            (b"OggS" + bytes(60), "truncated recording"),
        ],
        ids=map(str, range(10)),  # a WAV holds the second in which it was written
    )
    def test_the_reason_is_short_and_exact(self, data: bytes, message: str) -> None:
        with pytest.raises(InputError) as error:
            probe("audio", data)

        assert str(error.value).split(" (F")[0] == message

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_longer_recording_than_allowed_is_refused(self, kind: str) -> None:
        with pytest.raises(InputError, match=r"longer than 1 s\b"):
            decoded(encoded(tone(440, 3.0), **KINDS[kind]), max_s=1.0)

    def test_a_header_that_promises_too_much_is_refused_before_decoding(self) -> None:
        data = bytearray(sample("flac"))
        data[21:26] = bytes([data[21] & 0xF0 | 0x0F]) + b"\xff\xff\xff\xff"

        with pytest.raises(InputError, match=r"^recording of 4,294,967 s, longer than 1,800 s\b"):
            probe("audio", bytes(data))

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_file_cut_anywhere_is_an_error_or_loses_no_sound(self, kind: str) -> None:
        data = sample(kind)
        whole = decoded(data)

        for length in {*range(0, len(data), 7), *range(max(0, len(data) - 300), len(data)), *range(300)}:
            cut = outcome(data[:length])
            if isinstance(cut, str):
                assert len(cut) < 120
            else:
                assert np.array_equal(cut, whole), length

    @settings(deadline=None)
    @given(st.sampled_from(sorted(KINDS)), st.data())
    def test_damage_gives_sound_or_an_input_error(self, kind: str, draw: st.DataObject) -> None:
        data = bytearray(sample(kind))
        places = st.lists(
            st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255)), min_size=1, max_size=6
        )
        for place, byte in draw.draw(places):
            data[place] = byte

        result = outcome(bytes(data))

        assert not isinstance(result, str) or "\n" not in result

    @settings(deadline=None)
    @given(st.binary(max_size=200))
    def test_any_bytes_give_an_input_error(self, data: bytes) -> None:
        assert isinstance(outcome(data), str)


class TestMp3:
    @pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100])
    @pytest.mark.parametrize("mode", ["CONSTANT", "VARIABLE"])
    @pytest.mark.parametrize("channels", [1, 2])
    def test_a_file_without_a_xing_header_is_read_to_its_end(
        self, rate: int, mode: str, channels: int
    ) -> None:
        loud_first = np.repeat(tone(440, 3.0, rate)[:, None], channels, axis=1)
        loud_first[rate:] *= 0.001
        with_header = encoded(loud_first, rate, format="MP3", bitrate_mode=mode)
        bare = without_xing(with_header)

        whole, got = decoded(with_header), decoded(bare)

        assert probe("audio", bare)["seconds"] == pytest.approx(3.0, abs=0.2)  # the encoder's delay is in it
        assert pitch(got[0], 16000) == pytest.approx(pitch(whole[0], 16000), abs=2)

    def test_a_file_without_a_xing_header_that_ends_within_a_frame_is_truncated(self) -> None:
        with pytest.raises(InputError, match=r"^truncated recording$"):
            probe("audio", without_xing(sample("mp3"))[:-5])

    def test_a_file_with_something_else_in_its_middle_is_no_whole_recording(self) -> None:
        bare = without_xing(sample("mp3"))
        middle = mp3_frame_ends(bare)[3]

        with pytest.raises(InputError, match=r"^truncated recording$"):
            probe("audio", bare[:middle] + b"<html>" + bare[middle:])

    @pytest.mark.parametrize("tail", [b"TAG" + bytes(125), bytes(40)], ids=["tag", "zeros"])
    def test_tags_before_and_after_are_no_sound_and_no_damage(self, tail: bytes) -> None:
        data = sample("mp3")
        tagged = b"ID3\x03\x00\x00\x00\x00\x01\x00" + b"\xff\xfb" * 64 + bytes(9) + data + tail

        assert probe("audio", tagged) == probe("audio", data)


def test_a_wav_file_from_a_pipe_does_not_know_its_length_and_is_read_whole() -> None:
    data = bytearray(sample("wav"))
    place = data.index(b"data") + 4
    data[place : place + 4] = b"\xff\xff\xff\xff"

    assert probe("audio", bytes(data))["seconds"] == 0.5


def test_a_flac_file_from_a_pipe_does_not_know_its_length_and_is_read_whole() -> None:
    data = bytearray(sample("flac"))
    data[21:26] = bytes([data[21] & 0xF0, 0, 0, 0, 0])

    assert probe("audio", bytes(data))["seconds"] == 0.5


def test_threads_give_the_same_sound_as_one_thread() -> None:
    from concurrent.futures import ThreadPoolExecutor

    samples = [sample(kind) for kind in KINDS] * 5
    alone = [decoded(data, rate=22050) for data in samples]

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda data: decoded(data, rate=22050), samples))

    assert all(np.array_equal(one, other) for one, other in zip(alone, together, strict=True))


REAL = Path(__file__).resolve().parents[3] / "shared/data"


@pytest.mark.real
@pytest.mark.skipif(not REAL.exists(), reason="no real data here")
def test_real_recordings_decode() -> None:
    paths = [path for path in sorted((REAL / "birds").rglob("*")) if modality_of(path.name) == "audio"]

    for path in paths[::20]:
        assert 0 < probe("audio", path.read_bytes())["seconds"] < 60  # type: ignore[operator]


def outcome(data: bytes) -> np.ndarray | str:
    """The windows, or the reason why there are none."""
    try:
        return decoded(data)
    except InputError as error:
        return error.message


def without_xing(mp3: bytes) -> bytes:
    return mp3[mp3_frame_ends(mp3)[0] :]


def mp3_frame_ends(mp3: bytes) -> list[int]:
    return _mp3_frames(mp3, 0)


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100])
@pytest.mark.parametrize("frames", [1, 3000, 4000, 4001, 70_000, 300_001])
@pytest.mark.parametrize("hop_s", [0.5, 0.2])
def test_a_recording_in_pieces_is_the_same_to_the_bit(rate: int, frames: int, hop_s: float) -> None:
    preparation = AudioPreparation(8000, window_s=0.5, hop_s=hop_s, max_s=60)
    data = encoded(np.random.default_rng(0).uniform(-0.5, 0.5, frames), rate)

    pieces = list(preparation.pieces(data, 60, 4))

    np.testing.assert_array_equal(np.concatenate([it.windows for it in pieces]), preparation.decode(data))
    assert max(len(it.windows) for it in pieces) <= 4
    assert pieces[-1].seconds == pytest.approx(frames / rate)
    assert {it.of_s for it in pieces} == {frames / rate}


def test_a_recording_in_pieces_has_the_limits_that_it_is_given() -> None:
    preparation = AudioPreparation(8000, window_s=0.5, hop_s=0.5, max_s=1)
    data = encoded(np.zeros(16_000), 8000)

    assert len(list(preparation.pieces(data, 2, 2))) == 2
    with pytest.raises(InputError, match="longer than 2 s"):
        list(preparation.pieces(encoded(np.zeros(16_001), 8000), 2, 2))
    with pytest.raises(InputError, match="not a recording"):
        list(preparation.pieces(b"RIFF", 2, 2))


def test_a_recording_of_floats_far_too_loud_is_refused() -> None:
    file = BytesIO()
    soundfile.write(file, np.array([0, 1e20], np.float32), 8000, format="WAV", subtype="FLOAT")

    with pytest.raises(InputError, match=r"samples up to 1e\+20"):
        AudioPreparation(8000, window_s=0.5, hop_s=0.5, max_s=1).decode(file.getvalue())


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_file_comes_in_pieces_too(kind: str) -> None:
    preparation = AudioPreparation(16_000, window_s=0.2, hop_s=0.1, max_s=9)

    pieces = [it.windows for it in preparation.pieces(sample(kind), 9, 2)]

    np.testing.assert_array_equal(np.concatenate(pieces), preparation.decode(sample(kind)))
