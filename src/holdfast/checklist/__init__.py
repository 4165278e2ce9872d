"""What a repository has of what a machine learning project should have, from evidence in its files.

Nothing of the repository is run or imported; links are not followed, and all that is read has a limit.
"""

from holdfast.checklist.check import check
from holdfast.checklist.claims import Claim, claim, weigh
from holdfast.checklist.items import ITEMS, Item
from holdfast.checklist.page import checklist_page

__all__ = ["ITEMS", "Claim", "Item", "check", "checklist_page", "claim", "weigh"]
