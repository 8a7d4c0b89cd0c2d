"""Trains the tokenizer and both models on data/train.tsv, and measures them on data/heldout.tsv, of which they see nothing.

Both files hold sentences as customers write to a shop that sells goods and software, written for this example, in four
classes. 240 sentences make no model for real work: what this shows is how a model of yours is served.
"""

import argparse
import json
import pathlib
import time
from collections import Counter

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import nn

from network import CLASSES, Classifier, Encoder, load_tokenizer, pooled, tokenized

HERE = pathlib.Path(__file__).parent


def read(name: str) -> tuple[list[str], torch.Tensor]:
    """Gives the sentences of a file and the numbers of their classes."""
    rows = [line.split("\t") for line in (HERE / "data" / name).read_text(encoding="utf-8").splitlines()]
    return [text for _, text in rows], torch.tensor([CLASSES.index(label) for label, _ in rows])


def train_tokenizer(texts: list[str], path: str) -> None:
    """Makes a WordPiece tokenizer as BERT has it, which Fairlead can run in front of a model.

    Its pieces are the letters, the words that are there twice, and the beginnings and endings of several words. They are
    counted here, because the trainer of the library gives other pieces each time.
    """
    tokenizer = Tokenizer(models.WordPiece())
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = Counter(word for text in texts for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(tokenizer.normalizer.normalize_str(text)))
    pieces = Counter(piece for word in words for n in range(2, min(len(word), 6)) for piece in (word[:n], "##" + word[-n:]))
    letters = sorted(set("abcdefghijklmnopqrstuvwxyz0123456789").union(*words))
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *("##" + letter for letter in letters)]
    vocabulary += sorted(word for word, n in words.items() if n >= 2) + sorted(piece for piece, n in pieces.items() if n >= 4)
    tokenizer.model = models.WordPiece({piece: i for i, piece in enumerate(dict.fromkeys(vocabulary))}, unk_token="[UNK]")
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    tokenizer.add_special_tokens(vocabulary[:4])
    tokenizer.save(path)


def train_classifier(model: Classifier, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> None:
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, weight_decay=0.05)
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    for part in batches(len(labels), rounds=60):
        optimizer.zero_grad()
        loss(model(dropped(ids[part], mask[part]), mask[part]), labels[part]).backward()
        optimizer.step()


def train_encoder(model: Encoder, ids: torch.Tensor, mask: torch.Tensor, labels: torch.Tensor) -> None:
    """Draws sentences of a class together and others apart: the supervised contrastive loss of Khosla et al. 2020 (arXiv:2004.11362)."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)
    for part in batches(len(labels), rounds=60):
        optimizer.zero_grad()
        vectors = nn.functional.normalize(pooled(model(dropped(ids[part], mask[part]), mask[part]), mask[part]), dim=1)
        itself = torch.eye(len(part), dtype=torch.bool)
        same = (labels[part].unsqueeze(0) == labels[part].unsqueeze(1)) & ~itself
        logs = (vectors @ vectors.T / 0.2).masked_fill(itself, -1e9).log_softmax(1)
        (-(logs * same).sum(1) / same.sum(1).clamp(min=1)).mean().backward()
        optimizer.step()


def batches(count: int, rounds: int, size: int = 48):
    """Gives numbers of sentences in random order."""
    for _ in range(rounds):
        yield from torch.randperm(count).split(size)


def dropped(ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Makes one in ten tokens unknown, so that what hangs on one word is not learnt."""
    unknown = (torch.rand(ids.shape) < 0.1) & (mask == 1)
    return ids.masked_fill(unknown, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=HERE / "model", help="the folder for what is trained")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # sums in one order, so that the same seed gives the same model on one kind of machine
    torch.use_deterministic_algorithms(True)
    torch.manual_seed(args.seed)
    started = time.monotonic()

    texts, labels = read("train.tsv")
    held_texts, held = read("heldout.tsv")
    train_tokenizer(texts, str(args.out / "tokenizer.json"))
    tokenizer = load_tokenizer(str(args.out / "tokenizer.json"))
    vocabulary = tokenizer.get_vocab_size()
    ids, mask = tokenized(tokenizer, texts)
    classifier, encoder = Classifier(vocabulary), Encoder(vocabulary)
    train_classifier(classifier, ids, mask, labels)
    train_encoder(encoder, ids, mask, labels)
    torch.save(classifier.state_dict(), args.out / "tickets.pt")
    torch.save(encoder.state_dict(), args.out / "sentences.pt")

    classifier.eval()
    encoder.eval()
    with torch.inference_mode():
        seen = nn.functional.normalize(pooled(encoder(ids, mask), mask), dim=1)
        held_ids, held_mask = tokenized(tokenizer, held_texts)
        logits = classifier(held_ids, held_mask)
        vectors = nn.functional.normalize(pooled(encoder(held_ids, held_mask), held_mask), dim=1)
    likeness = vectors @ vectors.T
    same = held.unsqueeze(0) == held.unsqueeze(1)
    others = ~torch.eye(len(held), dtype=torch.bool)
    report = {
        "seed": args.seed, "torch": torch.__version__, "vocabulary": vocabulary,
        "parameters": {"tickets": sum(p.numel() for p in classifier.parameters()), "sentences": sum(p.numel() for p in encoder.parameters())},
        "sentences": {"trained": len(texts), "held_out": len(held_texts)},
        "held_out": {
            "tickets_accuracy": (logits.argmax(1) == held).float().mean().item(),
            "nearest_trained_sentence_is_of_the_same_class": (labels[(vectors @ seen.T).argmax(1)] == held).float().mean().item(),
            "mean_cosine_within_a_class": likeness[same & others].mean().item(),
            "mean_cosine_across_classes": likeness[~same].mean().item(),
        },
    }
    # What the models give here is what they must give when they are served.
    rows = zip(held_texts, held.tolist(), logits.tolist(), vectors.tolist(), strict=True)
    expected = [{"text": text, "class": CLASSES[label], "logits": scores, "vector": vector} for text, label, scores, vector in rows]
    (args.out / "report.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (args.out / "expected.json").write_text(json.dumps(expected) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
    print(f"trained and measured in {time.monotonic() - started:.1f} s")


if __name__ == "__main__":
    main()
