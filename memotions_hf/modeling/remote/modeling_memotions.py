"""The Memotions emotion classifier for PyTorch and transformers (code: Apache-2.0).

It holds the weights of the ONNX and Keras files beside it and gives the same answers:

>>> from transformers import pipeline
>>> classifier = pipeline("text-classification", "NAME_OR_FOLDER", trust_remote_code=True)
>>> classifier("Hari ini aku gagal lagi", top_k=None)

This file reads no other file, opens no connection, and needs torch and transformers only.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import PretrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

PAD_ID, UNK_ID = 0, 1
_KERAS_KEYS = (
    "module",
    "class_name",
    "config",
    "registered_name",
    "build_config",
    "compile_config",
)


class MemotionsConfig(PretrainedConfig):  # type: ignore[misc]
    """What ``config.json`` says; the sizes of the network stand under its key ``memotions``."""

    model_type = "memotions-bilstm"

    def __init__(self, memotions: dict[str, Any] | None = None, **kwargs: Any) -> None:
        """Keep our settings and transformers' own; Keras's, in the same file, mean nothing here."""
        self.memotions = memotions or {}
        super().__init__(**{key: kwargs[key] for key in kwargs if key not in _KERAS_KEYS})


class MemotionsForSequenceClassification(PreTrainedModel):  # type: ignore[misc]
    """Stacked bidirectional LSTMs, read by an attention average and a rectified maximum.

    Where the model has ``pair_buckets``, a linear classifier of tokens and pairs of neighbours
    stands beside them, and the logits of both are added.
    """

    config_class = MemotionsConfig

    def __init__(self, config: MemotionsConfig) -> None:
        """Build the network that ``config.memotions["model"]`` describes."""
        super().__init__(config)
        sizes = config.memotions["model"]
        width = sizes["embedding_dim"]
        self.embedding = nn.Embedding(sizes["vocab_size"], width)
        self.lstms = nn.ModuleList()
        for units in sizes["lstm_units"]:
            self.lstms.append(nn.LSTM(width, units, batch_first=True, bidirectional=True))
            width = 2 * units
        self.attention = nn.Linear(width, 1)
        # The calibration's temperature is folded into these weights: it divides nothing below.
        self.logits = nn.Linear(2 * width, sizes["num_labels"])
        self.vocab_size, self.pair_buckets = sizes["vocab_size"], sizes.get("pair_buckets", 0)
        if self.pair_buckets:
            rows = self.vocab_size + self.pair_buckets
            self.ngrams = nn.Embedding(rows, sizes["num_labels"])
        self.embedding_dropout = nn.Dropout1d(sizes["embedding_dropout"])
        self.dropout = nn.Dropout(sizes["dropout"])
        self.post_init()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, labels: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Return logits (texts, classes); their softmax is the probability of each class.

        Args:
            input_ids: (texts, length), padded at the end only. What lies beyond the model's
                ``max_length`` is not read; a length of 0 is allowed.
            attention_mask: 1 for tokens and 0 for padding; without it, id 0 is padding.
            labels: the right class of each text, to get a loss.
        """
        # One step of padding lets empty texts through. A tokenizer's tensor of them is of floats.
        longest = self.config.memotions["max_length"]
        ids = pad(input_ids[:, :longest].long(), (0, 1), value=PAD_ID)
        is_token = ids != PAD_ID
        if attention_mask is not None:
            is_token = pad(attention_mask[:, :longest].long(), (0, 1)).bool()
            # A text that spells out "<pad>" holds an unknown word.
            ids = ids.masked_fill(is_token & (ids == PAD_ID), UNK_ID)

        hidden = self._read(ids, is_token)
        score = self.attention(hidden).squeeze(-1)
        score = score.masked_fill(~is_token, torch.finfo(score.dtype).min)
        average = (score.softmax(dim=1).unsqueeze(-1) * hidden).sum(dim=1)
        maximum = hidden.amax(dim=1).relu()
        logits = self.logits(self.dropout(torch.cat([average, maximum], dim=-1)))
        if self.pair_buckets:
            logits = logits + self._ngram_logits(ids.masked_fill(~is_token, PAD_ID))
        loss = None if labels is None else cross_entropy(logits, labels)
        return SequenceClassifierOutput(loss=loss, logits=logits)

    def _read(self, ids: Tensor, is_token: Tensor) -> Tensor:
        """Return what the LSTMs make of every token, and 0 for padding."""
        embedded = self.embedding_dropout(self.embedding(ids).transpose(1, 2)).transpose(1, 2)
        lengths = is_token.sum(dim=1).clamp(min=1).cpu()  # packing refuses a length of 0
        packed = pack_padded_sequence(embedded, lengths, batch_first=True, enforce_sorted=False)
        for lstm in self.lstms:
            packed = lstm(packed)[0]
            packed = packed._replace(data=self.dropout(packed.data))
        hidden, _ = pad_packed_sequence(packed, batch_first=True, total_length=ids.shape[1])
        return hidden * is_token.unsqueeze(-1)

    def _ngram_logits(self, ids: Tensor) -> Tensor:
        """Return the logits of the linear path: summed rows of tokens and pairs over a root."""
        previous = pad(ids[:, :-1], (1, 0), value=PAD_ID)
        pairs = (previous * self.vocab_size + ids) % self.pair_buckets + self.vocab_size
        is_pair = (previous != PAD_ID) & (ids != PAD_ID)
        rows = torch.cat([ids, pairs.masked_fill(~is_pair, PAD_ID)], dim=1)
        is_row = (rows != PAD_ID).unsqueeze(-1).to(self.ngrams.weight.dtype)
        total = (self.ngrams(rows) * is_row).sum(dim=1)
        return total / is_row.sum(dim=1).clamp(min=1).sqrt()
