"""The emotion of Indonesian text, with ONNX Runtime only: no TensorFlow, no torch."""

from .classifier import EmotionClassifier, EmotionScore, NoEmotion
from .explanation import WordContribution
from .journal import JournalAnalysis, SentenceEmotion

__all__ = [
    "EmotionClassifier",
    "EmotionScore",
    "JournalAnalysis",
    "NoEmotion",
    "SentenceEmotion",
    "WordContribution",
]
