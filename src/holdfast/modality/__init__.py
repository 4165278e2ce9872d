"""From the bytes of a sample to the array that the graph takes."""

from holdfast.modality.audio import AudioPreparation, Piece
from holdfast.modality.decoded import Form, accept, fits, form_of
from holdfast.modality.preparation import Preparation, prepare, probe, restricted
from holdfast.modality.seen import seen
from holdfast.modality.text import learn_tokenizer, read_text

__all__ = [
    "AudioPreparation",
    "Form",
    "Piece",
    "Preparation",
    "accept",
    "fits",
    "form_of",
    "learn_tokenizer",
    "prepare",
    "probe",
    "read_text",
    "restricted",
    "seen",
]
