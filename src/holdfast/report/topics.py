"""What a question is about, by the meaning of its words: numbers and wordings differ between templates."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """Something that a report is asked for.

    Attributes:
        name: such as `coverage`.
        asked: a regular expression that fits a question about it, in lower case.
        people: what of it is in no file, and only people can say.
    """

    name: str
    asked: str
    people: str


TOPICS = (
    Topic("extra", r"anything extra|beyond what", "anything you added that was not asked about"),
    Topic("architecture", r"architecture", "a figure of the whole system, and its steps in your words"),
    Topic("bucket-images", r"(images?|pictures?) of your .*bucket", "pictures of your bucket"),
    Topic("registry-images", r"(images?|pictures?) of your .*regist", "pictures of your registry of images"),
    Topic("build-images", r"(images?|pictures?) of your .*build", "pictures of your builds"),
    Topic("group", r"group number|your group called", "the number of your group"),
    Topic("members", r"study number|who are (you|the members)", "the members of your group"),
    Topic("contributions", r"contribut", "who did what"),
    Topic("ai", r"generative|chatgpt|copilot|language model", "how you used generative AI"),
    Topic("load", r"load[ -]?test", "how the API was tested, and under which load"),
    Topic("tests", r"how many tests", "what your tests test"),
    Topic("coverage", r"coverage", "the coverage, and how far you trust it"),
    Topic("git", r"pull request", "how you used branches and pull requests"),
    Topic("data", r"\bdvc\b|versions? (control )?of (your|the) data", "how data are versioned, if at all"),
    Topic("ci", r"continu\w+ integration|\bci\b", "what runs when the code changes"),
    Topic("reproduce", r"reproduc", "how an experiment is done again"),
    Topic("tracking", r"w&b|tracking", "what you tracked and why, with pictures"),
    Topic("settings", r"configur|config files", "how an experiment is configured"),
    Topic("docker", r"docker|container", "what images you built, and how they run"),
    Topic("debugging", r"debug|profil", "how you looked for faults, and what profiling showed"),
    Topic("services", r"all the \w+ ?services|which cloud services", "which cloud services you used"),
    Topic("engine", r"compute engine|virtual machine", "which machines in the cloud you used, and for what"),
    Topic("cloud-training", r"train\w* .*\bin the cloud", "whether you trained in the cloud, or why not"),
    Topic("monitoring", r"monitor", "how the deployed model is watched"),
    Topic("api", r"(write|have|built?) an api", "how your API works"),
    Topic("deployment", r"deploy", "where your model is deployed, and how it is asked"),
    Topic("costs", r"credits|cost", "what it cost, and which service most"),
    Topic("struggles", r"struggl|challenges|hardest", "what was hard, and what you did about it"),
    Topic("quality", r"code quality|rules for", "which rules of quality you follow, and why they matter"),
    Topic("dependencies", r"dependenc", "how a new member gets your environment"),
    Topic("structure", r"structure", "how your code is laid out"),
    Topic("framework", r"framework|third[ -]party", "which framework you chose, and whether it helped"),
)
"""The narrower a topic is, the earlier it stands: the first that fits is the one."""


def topic_of(question: str) -> Topic | None:
    """What a question is about; None if it is about nothing that is known here.

    >>> topic_of("What is the total code coverage of your code?").name
    'coverage'
    >>> topic_of("Which colour has the sky?")
    """
    asked = question.lower()
    return next((topic for topic in TOPICS if re.search(topic.asked, asked)), None)
