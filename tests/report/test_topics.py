"""Questions are known by their meaning, in every wording that we have seen."""

import pytest

from holdfast.report import check_report, parse_report, read_report
from holdfast.report.blank import blank_report
from holdfast.report.topics import TOPICS, topic_of
from tests.reports import REAL

_FIRST = (
    *("group", "members", "framework", "dependencies", "structure", "quality", "tests", "coverage", "git"),
    *("data", "ci", "settings", "reproduce", "tracking", "docker", "debugging", "services", "engine"),
    *("bucket-images", "registry-images", "build-images"),
)
ORDER = {
    27: (*_FIRST, "deployment", "monitoring", "costs", "architecture", "struggles", "contributions"),
    31: (
        *(*_FIRST, "cloud-training", "api", "deployment", "load", "monitoring", "costs", "extra"),
        *("architecture", "struggles", "contributions"),
    ),
}


@pytest.mark.parametrize("questions", [27, 31])
def test_an_empty_report_asks_all_topics_in_their_order(questions: int) -> None:
    report = parse_report(blank_report(questions))

    assert tuple(_name(it.title) for it in report.questions) == ORDER[questions]


@pytest.mark.real
@pytest.mark.parametrize("start", ["000", "001", "002", "003", "004"])
def test_the_questions_of_a_real_report_are_known(start: str) -> None:
    (file,) = REAL.glob(f"{start}*.txt")
    report = read_report(file)

    order = ORDER[check_report(report, file.parent).generation or 0]
    assert [_name(it.title) for it in report.questions] == [order[it.number - 1] for it in report.questions]


@pytest.mark.real
@pytest.mark.parametrize(("start", "questions"), [("003", 31), ("004", 27)])
def test_an_empty_report_has_the_limits_of_the_template_in_other_words(start: str, questions: int) -> None:
    (file,) = REAL.glob(f"{start}*.txt")
    template = read_report(file)

    ours = parse_report(blank_report(questions))
    for one in ours.questions:
        other = template.question(one.number)
        assert other is not None
        assert (one.number, one.limits.words) == (other.number, other.limits.words)
        assert (one.limits.images is None) == (other.limits.images is None)
        assert not {text for _, text in one.prompt if len(text.split()) > 4} & {
            text for _, text in other.prompt if "length" not in text
        }


def test_no_topic_stands_twice() -> None:
    assert len({topic.name for topic in TOPICS}) == len(TOPICS)


def _name(title: str) -> str | None:
    topic = topic_of(title)
    return topic.name if topic else None
