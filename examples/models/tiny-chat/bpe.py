"""A byte-level BPE tokenizer in the manner of GPT-2: training, encoding, decoding and the files that other programs read.

The text is cut into words by the pattern of GPT-2, each word is turned into bytes, and pairs of pieces are joined in the
order in which training found them. Digits are never joined, so that a number is always one token a digit.
"""
import collections
import json
import re

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]

# GPT-2's pattern for ASCII text, which is all that the corpus has. Readers use \p{L} and \p{N}; on ASCII they agree.
WORDS = re.compile(r"'s|'t|'re|'ve|'m|'ll|'d| ?[A-Za-z]+| ?[0-9]+| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+")


def byte_letters():
    """GPT-2's table: a printable letter for each of the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    letters, extra = {}, 0
    for byte in range(256):
        if byte in plain:
            letters[byte] = chr(byte)
        else:
            letters[byte] = chr(256 + extra)
            extra += 1
    return letters


LETTERS = byte_letters()
BYTES = {letter: byte for byte, letter in LETTERS.items()}


def spell(word):
    return tuple(LETTERS[b] for b in word.encode())


def train(text, size):
    """Learns a vocabulary of `size` tokens; returns the tokens in order of their numbers and the merges."""
    words = {spell(word): count for word, count in collections.Counter(WORDS.findall(text)).items()}
    tokens, merges = [LETTERS[b] for b in range(256)], []
    while len(tokens) + len(SPECIAL) < size:
        pairs = collections.Counter()
        for word, count in words.items():
            for left, right in zip(word, word[1:]):
                if not any(c.isdigit() for c in left + right):
                    pairs[left, right] += count
        if not pairs:
            break
        (left, right), _ = max(pairs.items(), key=lambda pair: (pair[1], pair[0]))
        merges.append((left, right))
        tokens.append(left + right)
        joined = {}
        for word, count in words.items():
            out, i = [], 0
            while i < len(word):
                if word[i : i + 2] == (left, right):
                    out.append(left + right)
                    i += 2
                else:
                    out.append(word[i])
                    i += 1
            joined[tuple(out)] = joined.get(tuple(out), 0) + count
        words = joined
    return tokens + SPECIAL, merges


class Tokenizer:
    def __init__(self, tokens, merges):
        self.tokens = list(tokens)
        self.merges = [tuple(m) for m in merges]
        self.number = {token: i for i, token in enumerate(self.tokens)}
        self.rank = {merge: i for i, merge in enumerate(self.merges)}
        self.known = {}
        self.specials = re.compile("(" + "|".join(map(re.escape, SPECIAL)) + ")")

    def word(self, word):
        ids = self.known.get(word)
        if ids is None:
            parts = list(spell(word))
            while len(parts) > 1:
                rank, at = min((self.rank.get((parts[i], parts[i + 1]), len(self.rank)), i) for i in range(len(parts) - 1))
                if rank == len(self.rank):
                    break
                parts[at : at + 2] = [parts[at] + parts[at + 1]]
            ids = self.known[word] = [self.number[p] for p in parts]
        return ids

    def encode(self, text):
        """Token numbers of a text in which the special tokens may stand as text."""
        ids = []
        for part in self.specials.split(text):
            if part in SPECIAL:
                ids.append(self.number[part])
            else:
                for word in WORDS.findall(part):
                    ids += self.word(word)
        return ids

    def decode(self, ids):
        out = b""
        for i in ids:
            token = self.tokens[i]
            out += token.encode() if token in SPECIAL else bytes(BYTES[c] for c in token)
        return out.decode("utf-8", "replace")

    def save(self, path):
        """Writes a tokenizer.json as HuggingFace's `tokenizers` reads it."""
        byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
        added = [
            {"id": self.number[t], "content": t, "single_word": False, "lstrip": False, "rstrip": False,
             "normalized": False, "special": True}
            for t in SPECIAL
        ]
        model = {
            "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": False, "byte_fallback": False,
            "vocab": self.number, "merges": [" ".join(m) for m in self.merges],
        }
        whole = {
            "version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
            "pre_tokenizer": byte_level, "post_processor": None, "decoder": byte_level, "model": model,
        }
        with open(path, "w", encoding="utf-8") as f:
            json.dump(whole, f, ensure_ascii=False, indent=0)
            f.write("\n")

    @staticmethod
    def load(path):
        with open(path, encoding="utf-8") as f:
            model = json.load(f)["model"]
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        return Tokenizer(tokens, [tuple(m.split(" ")) for m in model["merges"]])
