"""An empty report of either generation: what it asks, in our words, with its limits."""

from holdfast.core.errors import DataError

_SECTIONS = {
    "Group": ("group", "members", "framework"),
    "Environment": ("dependencies", "structure", "quality"),
    "Versions and tests": ("tests", "coverage", "git", "data", "ci"),
    "Experiments": ("settings", "reproduce", "tracking", "docker", "debugging"),
    "The cloud": (
        *("services", "engine", "bucket-images", "registry-images", "build-images"),
        "cloud-training",
    ),
    "Deployment": ("api", "deployment", "load", "monitoring", "costs"),
    "The whole": ("extra", "architecture", "struggles", "contributions"),
}
_QUESTIONS = {
    "group": ("What is your group called, or its number?", ""),
    "members": ("Who are the members?", ""),
    "framework": ("Which framework of a third party did you choose, and did it help?", "100-200"),
    "dependencies": ("How are dependencies kept, and how does a new member get the same ones?", "100-200"),
    "structure": ("What is the structure of your code?", "100-200"),
    "quality": ("Which rules for code quality, types and documents are kept, and why?", "100-200"),
    "tests": ("How many tests are there, and what do they test?", "50-100"),
    "coverage": ("How much does the coverage come to, and how far can it be trusted?", "100-200"),
    "git": ("How were branches and pull requests used?", "100-200"),
    "data": ("How are versions of the data kept, and what was that good for?", "100-200"),
    "ci": ("What does continuous integration run, on which systems and versions, with caches?", "200-300"),
    "settings": ("How is an experiment configured and started?", "50-100"),
    "reproduce": ("What makes an experiment reproducible?", "100-200"),
    "tracking": ("Include 1 to 3 pictures of experiment tracking: what is tracked, and why?", "200-300"),
    "docker": ("What is Docker used for, and how are its images run?", "100-200"),
    "debugging": ("How were faults debugged, and what did profiling show?", "100-200"),
    "services": ("Which cloud services were used, and what for?", "50-200"),
    "engine": ("Which virtual machines were used, and what for?", "100-200"),
    "bucket-images": ("Insert 1-2 pictures of your bucket.", ""),
    "registry-images": ("Insert 1-2 pictures of your registry of images.", ""),
    "build-images": ("Insert 1-2 pictures of your history of builds.", ""),
    "cloud-training": ("Was the model trained in the cloud, and how, or why not?", "100-200"),
    "api": ("Did you write an API for the model, and how does it work?", "100-200"),
    "deployment": ("Where is it deployed, and how is it asked?", "100-200"),
    "load": ("How was the API tested, and what did a load test show?", "100-200"),
    "monitoring": ("How is the deployed model monitored?", "100-200"),
    "costs": ("What did it cost, which service most, and how was it to work there?", "100-200"),
    "extra": ("Is there anything extra, and why?", "0-200"),
    "architecture": ("Include a figure of the architecture, and go through its steps.", "200-400"),
    "struggles": ("What were the hardest struggles, and what was done about them?", "200-400"),
    "contributions": ("What did each member contribute?", "50-200"),
}
_OLDER = {
    **dict.fromkeys(("cloud-training", "api", "load", "extra")),
    "quality": "50-100",
    "costs": "25-100",
}
"""What the older generation does not ask (None), or with which other limit."""
GENERATIONS = (27, 31)


def blank_report(questions: int = 31) -> str:
    """A report with every question open.

    Args:
        questions: 27 or 31, for the older or the newer generation.

    Raises:
        DataError: if it is another number.
    """
    if questions not in GENERATIONS:
        raise DataError(f"there is no report of {questions} questions", hint="ask for 27 or for 31")
    lines = ["# Report", ""]
    number = 0
    for section, topics in _SECTIONS.items():
        lines += [f"## {section}", ""]
        for topic in topics:
            text, length = _QUESTIONS[topic]
            if questions == 27:
                length = _OLDER.get(topic, length) or ""
                if topic in _OLDER and not length:
                    continue
            number += 1
            lines += [f"### Question {number}", "", f"> **{text}**", ">"]
            lines += [f"> Answer length: {length} words.", ">"] if length else []
            lines += ["> Answer:", "", f"--- question {number} fill here ---", ""]
    return "\n".join(lines)
