"""The two models of this example, and the tokens that both read. Both are small and trained from nothing by train.py."""

import torch
from tokenizers import Tokenizer
from torch import nn

CLASSES = ["account", "billing", "delivery", "technical"]  # in the order of the logits
MAX_TOKENS = 64  # the end of a longer text is left out
SIZE = 64  # numbers in a vector


class Classifier(nn.Module):
    """Sorts a text by the mean of its tokens' vectors, as fastText does (Joulin et al. 2016, arXiv:1607.01759)."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, SIZE, padding_idx=0)
        self.drop = nn.Dropout(0.4)
        self.classes = nn.Linear(SIZE, len(CLASSES))

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Gives logits [n, classes] for ids and mask [n, length]."""
        return self.classes(self.drop(pooled(self.tokens(ids), mask)))


class Encoder(nn.Module):
    """Makes a vector of each token with one layer of a transformer. The vector of a text is their mean."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(vocabulary, SIZE, padding_idx=0)
        self.places = nn.Embedding(MAX_TOKENS, SIZE)
        self.layer = nn.TransformerEncoderLayer(SIZE, nhead=4, dim_feedforward=2 * SIZE, dropout=0.2, batch_first=True, norm_first=True)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Gives vectors [n, length, SIZE] for ids and mask [n, length]. Those where the mask is 0 mean nothing."""
        places = torch.arange(ids.shape[1], device=ids.device)
        return self.layer(self.tokens(ids) + self.places(places), src_key_padding_mask=mask == 0)


def pooled(vectors: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Gives the mean over the tokens that are no padding."""
    weights = mask.unsqueeze(-1).to(vectors.dtype)
    return (vectors * weights).sum(1) / weights.sum(1).clamp(min=1)


def load_tokenizer(path: str) -> Tokenizer:
    """Reads a tokenizer.json. What a text says is text: "[SEP]" in it does not end it."""
    tokenizer = Tokenizer.from_file(path)
    tokenizer.encode_special_tokens = True
    tokenizer.enable_truncation(MAX_TOKENS)
    tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")
    return tokenizer


def tokenized(tokenizer: Tokenizer, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """Gives ids and mask [n, length] of texts, as long as the longest."""
    encoded = tokenizer.encode_batch(texts)
    return torch.tensor([e.ids for e in encoded]), torch.tensor([e.attention_mask for e in encoded])
