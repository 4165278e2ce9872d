"""Whether a recording's file is whole: libsndfile plays what is left of one cut short and says nothing."""

from typing import Literal

Container = Literal["WAV", "FLAC", "OGG", "MP3"]

_STREAMED = 0xFFFFFFFF
"""What writers to a pipe put for a length that they do not know yet."""
_LAST_PAGE = 4
"""The flag in an Ogg page's header."""

_TAGS = (b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"ID3")
"""What may follow the last frame of an MP3 file."""

_KBITS = {
    (1, 3): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 1): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 3): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 1): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Kilobits a second by (MPEG version, layer bits) and the index in the frame's header, less one."""
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Samples a second by version bits and index."""


def container_of(data: bytes) -> Container | None:
    """What the first bytes speak of; None if it is no recording that we read.

    >>> container_of(b"fLaC....")
    'FLAC'
    """
    if data[:4] in (b"RIFF", b"RF64") and data[8:12] == b"WAVE":
        return "WAV"
    if data[:4] == b"fLaC":
        return "FLAC"
    if data[:4] == b"OggS":
        return "OGG"
    if data[:3] == b"ID3" or _mp3_frame(data, 0) is not None:
        return "MP3"
    return None


def is_cut_off(data: bytes, container: Container) -> bool:
    """Whether bytes are missing at the end, as the container's own lengths and marks say.

    FLAC needs no such test: its decoder fails. Of an MP3 file that does not say how many frames it has,
    one can only see that it ends within a frame.
    """
    if container == "WAV":
        return _wav_is_cut_off(data)
    if container == "OGG":
        return _ogg_is_cut_off(data)
    return container == "MP3" and _mp3_is_cut_off(data)


def playable(data: bytes, container: Container) -> bytes:
    """What to give to libsndfile: the file, but of an MP3 file only the frames, with a Xing header first.

    Without one libsndfile guesses the length from the bit rate of the first frame, and stops there: of a
    file with a variable bit rate that can be a sixth of the sound. Zeros after an ID3 tag stop it as well.
    """
    start = _after_id3(data) if container == "MP3" else 0
    size = _mp3_frame(data, start)
    if container != "MP3" or size is None:
        return data
    if _xing_frames(data[start : start + size]) is not None or data[start + 1] >> 1 & 3 != 1:
        return data[start:]
    one_channel, version_one = data[start + 3] >> 6 == 3, data[start + 1] >> 3 & 3 == 3
    side = (17 if one_channel else 32) if version_one else (9 if one_channel else 17)
    largest = bytes([0xFF, data[start + 1] | 1, data[start + 2] & 0x0C | 0xE0, data[start + 3]])
    frames = len(_mp3_frames(data, start))
    header = largest + bytes(side) + b"Xing" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
    return header.ljust(_mp3_frame(largest, 0) or 0, b"\0") + data[start:]


def _wav_is_cut_off(data: bytes) -> bool:
    place, long_size = 12, _STREAMED
    while place + 8 <= len(data):
        name, size = data[place : place + 4], int.from_bytes(data[place + 4 : place + 8], "little")
        if name == b"ds64":
            long_size = int.from_bytes(data[place + 16 : place + 24], "little")
        if name == b"data":
            size = long_size if size == _STREAMED else size
            return size != _STREAMED and place + 8 + size > len(data)
        place += 8 + size + size % 2
    return True


def _ogg_is_cut_off(data: bytes) -> bool:
    place, flags = 0, 0
    while data[place : place + 4] == b"OggS":
        if place + 27 > len(data):
            return True
        flags, segments = data[place + 5], data[place + 26]
        table = data[place + 27 : place + 27 + segments]
        place += 27 + segments + sum(table)
        if len(table) < segments or place > len(data):
            return True
    return not flags & _LAST_PAGE


def _mp3_is_cut_off(data: bytes) -> bool:
    start = _after_id3(data)
    ends = _mp3_frames(data, start)
    if not ends or ends[-1] > len(data):
        return True
    if _xing_frames(data[start : ends[0]]) is not None:
        return False  # whoever decodes it sees whether all the frames come that are promised there
    rest = data[ends[-1] :]
    return not rest.startswith(_TAGS) and any(rest)


def _mp3_frames(data: bytes, place: int) -> list[int]:
    """Where each frame ends; the last one may end behind the end of the data."""
    ends = []
    while (size := _mp3_frame(data, place)) is not None:
        place += size
        ends.append(place)
    return ends


def _after_id3(data: bytes) -> int:
    """Where the first frame is: after an ID3v2 tag, whose length is written in four times seven bits."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    place = 10 + size + (10 if data[5] & 0x10 else 0)
    return place + len(data[place:]) - len(data[place:].lstrip(b"\0"))


def _mp3_frame(data: bytes, place: int) -> int | None:
    """Size in bytes of the MPEG audio frame that begins at place, or None if none does."""
    if len(data) < place + 4 or data[place] != 0xFF or data[place + 1] & 0xE0 != 0xE0:
        return None
    version, layer = data[place + 1] >> 3 & 3, data[place + 1] >> 1 & 3
    bits, rate, padding = data[place + 2] >> 4, data[place + 2] >> 2 & 3, data[place + 2] >> 1 & 1
    if version == 1 or layer == 0 or bits in (0, 15) or rate == 3:
        return None
    kbits = _KBITS[1 if version == 3 else 2, layer][bits - 1]
    hertz = _RATES[version][rate]
    if layer == 3:
        return (12_000 * kbits // hertz + padding) * 4
    slots = 72_000 if layer == 1 and version != 3 else 144_000
    return slots * kbits // hertz + padding


def _xing_frames(frame: bytes) -> int | None:
    """The number of frames that a Xing or Info header in the first frame gives."""
    place = max(frame.find(b"Xing", 4, 48), frame.find(b"Info", 4, 48))
    if place < 0 or not frame[place + 7] & 1:
        return None
    return int.from_bytes(frame[place + 8 : place + 12], "big")
