"""What the evaluated systems and the test sets are called, for those who run and who read it."""

from __future__ import annotations

MAIN_SYSTEM = "memotions-bilstm"
LINEAR_SYSTEM = "tfidf-svc"
KEYWORD_SYSTEM = "keyword-rule"
MAJORITY_SYSTEM = "majority"

MAIN_SET = "merged/test"
EMOT_OFFICIAL_SET = "emot/official-test"
OPINION_SET = "opinion"
OPINION_FOUR_SET = "opinion/four-emotions"
