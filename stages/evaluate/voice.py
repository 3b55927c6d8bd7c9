"""Voice: how far each arm's answers lie from the character's own lines, by the words that nobody chooses on purpose.

Burrows's Delta, the standard of stylometry, in the form of Cosine Delta. The relative frequencies of the WORDS most frequent words are turned into z-scores over
a background of texts, so that each word counts alike, and two texts are compared: Burrows takes the mean absolute difference of their z-scores, Cosine Delta one
minus the cosine of the angle between them: 0 for one voice, 1 for voices that have nothing to do with each other, up to 2.

- Burrows 2002, 'Delta': a Measure of Stylistic Difference and a Guide to Likely Authorship, https://doi.org/10.1093/llc/17.3.267
- Cosine: Smith and Aldridge 2011, https://doi.org/10.1080/09296174.2011.533591; Evert et al. 2017, https://doi.org/10.1093/llc/fqx023: an author shows in the
  profile of the deviations and not in their size, which is mostly chance in short texts, and Cosine Delta loses nothing by more words.
- Texts should have 1,500 words or more (Burrows); to tell one author among many for sure takes 2,500 to 5,000 (Eder 2015, https://doi.org/10.1093/llc/fqt066).
  That is another, harder question than the one here: which of two arms is nearer to one character. How surely few words answer it, the p-value says.

Measured on this project's gold, three characters, samples of 100, 200, 300, 500 and 1,000 words given to the nearest of three references of 2,500 words: by Cosine
Delta with 200 words 71, 83, 88, 95 and 99 % right, by Burrows's 63, 85, 89, 90 and 97 %; with 500 words 71, 85, 83, 96 and 93 %, and 48, 59, 63, 78 and 86 %.
120 samples each of an unlike character's and the character's own lines: the 95 % intervals held the mean over samples in 89 and 96 % at 24 prompts, in 93 and 98 %
at 60; those of the difference in 97 and 99 %.

The reference is the test split's lines alone: tuned has learnt the training chats, and lines that it had by heart would count as voice. The background is every
character's test lines and the base's answers, each weighing the same. Prompted and tuned are not in it: so exchanging their answers changes nothing there, the
permutation test is exact, and both are measured as the yardstick's lines are. The base is, so its own Delta is a landmark and no more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from stages.common.whole_words import words_of
from stages.evaluate.equal_words import Replies, cut
from stages.evaluate.intervals import Estimate
from stages.evaluate.resampling import around, in_blocks, weights

WORDS = 200
"""Most frequent words. The 200th stands once in some 1,000 words: rarer ones are missing from a sample of that size by chance."""
PIECE = 500
"""Words in the pieces of the background over which deviations are taken."""
LEAST = 100
"""Words that an arm, and the character's lines, must have; Burrows's smallest texts."""
DRAWS = 200
"""Samples of lines that are drawn for each yardstick."""


@dataclass(frozen=True)
class Scale:
    """The most frequent words of a background by their place, with the mean and the standard deviation of their relative frequencies."""

    words: Mapping[str, int]
    mean: np.ndarray
    deviation: np.ndarray

    def counts(self, texts: Iterable[Sequence[str]]) -> np.ndarray:
        """For each text how often each word stands in it, and at last all of its words: shape (texts, words + 1)."""
        return np.array([_counted(text, self.words) for text in texts]).reshape(-1, len(self.words) + 1)

    def z(self, counts: np.ndarray) -> np.ndarray:
        """The z-scores of texts given by their counts: shape (..., words)."""
        return (counts[..., :-1] / counts[..., -1:] - self.mean) / self.deviation


def scale(sources: Sequence[Sequence[Sequence[str]]], size: int = WORDS) -> Scale:
    """The scale of a background of sources, each given as texts of words: every source weighs the same, and so does every piece of PIECE words within it.

    A piece is made of whole texts. Words that are as frequent in every piece are left out: they tell nothing.
    """
    pieces = [_pieces(source) for source in sources if any(source)]
    shares: dict[str, float] = {}
    for source in pieces:
        for piece in source:
            for word in piece:
                shares[word] = shares.get(word, 0.0) + 1 / len(piece) / len(source)
    frequent = sorted(shares, key=lambda word: (-round(shares[word], 12), word))[:size]
    places = {word: place for place, word in enumerate(frequent)}
    frequencies = [(counts := np.array([_counted(piece, places) for piece in source]))[:, :-1] / counts[:, -1:] for source in pieces]
    mean = np.mean([source.mean(axis=0) for source in frequencies], axis=0)
    deviation = np.sqrt(np.mean([((source - mean) ** 2).mean(axis=0) for source in frequencies], axis=0))
    telling = np.flatnonzero(deviation > 1e-12)
    return Scale({frequent[place]: new for new, place in enumerate(telling)}, mean[telling], deviation[telling])


def cosine_delta(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Cosine Delta of texts given by their z-scores, along the last axis: 0 to 2; 1 where one of them is the background's mean, which has no direction."""
    lengths = np.linalg.norm(one, axis=-1) * np.linalg.norm(other, axis=-1)
    return 1 - np.divide((one * other).sum(axis=-1), lengths, out=np.zeros(np.shape(lengths)), where=lengths > 0)


def figures(
    said: Mapping[str, Replies],
    characters: Sequence[str],
    gold: Mapping[str, Replies],
    lines: Mapping[str, Replies],
    generator: np.random.Generator,
    resamples: int,
    confidence: float,
) -> dict[str, Estimate | float | int]:
    """The figures of voice by name, of each character averaged by prompts; none where no character has LEAST words.

    `said` is what each arm, the base among them, said to each prompt and `characters[i]` whom prompt i was put to; `gold` the test split's chats of every character; `lines` the
    hand-written or book chats of training, where there are some, for the yardstick alone.

    - `ARM.voice_delta`: Cosine Delta of the arm's answers, cut to equal lengths, from the character's lines. Interval: bootstrap by prompt and by gold chat.
    - `gold.voice_delta` and `others.voice_delta`, the yardstick: as far as the character's own training lines lie from his test lines, and as far as other
      characters' test lines do, in samples of as many words as an arm has; the interval holds that share of such samples.
    - `tuned_vs_prompted.voice_delta`: tuned's minus prompted's, below 0 where tuned is nearer; `tuned_vs_prompted.voice_p`: how likely a difference as far
      below 0 is, were the arms' answers to each prompt interchangeable: as many permutations as `resamples`.
    - `voice.words` and `voice.prompts`: what each arm said, and to how many prompts.
    """
    kept = {arm: [list(chain.from_iterable(replies)) for replies in prompts] for arm, prompts in cut(said).items()}
    own = {name: [list(chain.from_iterable(map(words_of, replies))) for replies in chats] for name, chats in sorted(gold.items())}
    trained = {name: [list(chain.from_iterable(map(words_of, replies))) for replies in chats] for name, chats in lines.items()}
    asked = {name: [place for place, whose in enumerate(characters) if whose == name] for name in sorted(set(characters))}
    enough = [name for name, places in asked.items() if all(_words(texts) >= LEAST for texts in _texts(kept, places) + [own.get(name, [])])]
    if not enough:
        return {}
    ruler = scale([*own.values(), [list(chain.from_iterable(map(words_of, replies))) for replies in said["base"]]])

    arms = list(said)
    shares = np.array([len(asked[name]) for name in enough], dtype=float)
    shares /= shares.sum()
    whole, samples, permuted = np.zeros(len(arms)), np.zeros((resamples, len(arms))), np.zeros(resamples)
    yardsticks: dict[str, list[np.ndarray]] = {"gold": [], "others": []}
    pair = [arms.index(arm) for arm in ("tuned", "prompted")] if {"tuned", "prompted"} <= set(arms) else None
    for name, share in zip(enough, shares, strict=True):
        counts = np.stack([ruler.counts(texts) for texts in _texts(kept, asked[name])])
        chats = ruler.counts(own[name])
        reference = ruler.z(chats.sum(axis=0))
        whole += share * cosine_delta(ruler.z(counts.sum(axis=1)), reference)
        samples += share * _bootstrap(counts, chats, ruler, generator, resamples)
        if pair:
            permuted += share * _permuted(counts[pair], reference, ruler, generator, resamples)
        words = counts[0, :, -1].sum()
        others = [chat for other, texts in own.items() if other != name for chat in texts]
        for kind, texts in (("gold", trained.get(name, [])), ("others", others)):
            if _words(texts) >= words:
                yardsticks[kind].append(share * _drawn(ruler.counts(texts), words, reference, ruler, generator))

    result: dict[str, Estimate | float | int] = {f"{arm}.voice_delta": around(whole[i], samples[:, i], confidence) for i, arm in enumerate(arms)}
    for kind, drawn in yardsticks.items():
        if len(drawn) == len(enough):
            total = np.sum(drawn, axis=0)
            lower, upper = np.quantile(total, [(1 - confidence) / 2, (1 + confidence) / 2])
            result[f"{kind}.voice_delta"] = Estimate(float(total.mean()), float(lower), float(upper))
    if pair:
        tuned, prompted = pair
        difference = whole[tuned] - whole[prompted]
        result["tuned_vs_prompted.voice_delta"] = around(difference, samples[:, tuned] - samples[:, prompted], confidence)
        # With the answers as they were among the permutations: Phipson and Smyth 2010, https://doi.org/10.2202/1544-6115.1585.
        result["tuned_vs_prompted.voice_p"] = round((1 + int((permuted <= difference + 1e-12).sum())) / (1 + resamples), 6)
    places = [place for name in enough for place in asked[name]]
    return result | {"voice.words": sum(len(kept[arms[0]][place]) for place in places), "voice.prompts": len(places)}


def _bootstrap(counts: np.ndarray, chats: np.ndarray, ruler: Scale, generator: np.random.Generator, resamples: int) -> np.ndarray:
    """The arms' Delta in bootstrap samples of the prompts, the same for all arms, and of the gold's chats: shape (resamples, arms)."""
    arms, prompts, width = counts.shape

    def draw(samples: int) -> np.ndarray:
        chosen = weights(prompts, samples, generator) @ counts.transpose(1, 0, 2).reshape(prompts, arms * width)
        chosen = chosen.reshape(samples, arms, width)
        chosen[..., -1] = np.maximum(chosen[..., -1], 1)  # all of them prompts to which nothing was said
        reference = weights(len(chats), samples, generator) @ chats
        reference[..., -1] = np.maximum(reference[..., -1], 1)
        return cosine_delta(ruler.z(chosen), ruler.z(reference)[:, None])

    return in_blocks(resamples, draw)


def _permuted(counts: np.ndarray, reference: np.ndarray, ruler: Scale, generator: np.random.Generator, permutations: int) -> np.ndarray:
    """The difference of two arms' Delta when the answers to each prompt change places with probability 1/2: shape (permutations,)."""
    one, other = counts

    def draw(samples: int) -> np.ndarray:
        swapped = generator.integers(0, 2, size=(samples, len(one))).astype(float) @ (other - one)
        return cosine_delta(ruler.z(one.sum(axis=0) + swapped), reference) - cosine_delta(ruler.z(other.sum(axis=0) - swapped), reference)

    return in_blocks(permutations, draw)


def _drawn(chats: np.ndarray, words: float, reference: np.ndarray, ruler: Scale, generator: np.random.Generator) -> np.ndarray:
    """The Delta of DRAWS samples of chats with about that many words each: shape (DRAWS,)."""
    size = max(1, round(words / chats[:, -1].mean()))
    drawn = np.array([chats[generator.permutation(len(chats))[:size]].sum(axis=0) for _ in range(DRAWS)])
    return cosine_delta(ruler.z(drawn), reference)


def _pieces(texts: Sequence[Sequence[str]]) -> list[list[str]]:
    """Texts put together, in order, into pieces of PIECE words at least; a rest that is shorter goes to the last."""
    pieces: list[list[str]] = [[]]
    for text in texts:
        if len(pieces[-1]) >= PIECE:
            pieces.append([])
        pieces[-1].extend(text)
    if len(pieces) > 1 and len(pieces[-1]) < PIECE:
        pieces[-2:] = [pieces[-2] + pieces[-1]]
    return pieces


def _counted(text: Sequence[str], places: Mapping[str, int]) -> np.ndarray:
    known = [places[word] for word in text if word in places]
    return np.append(np.bincount(np.array(known, dtype=int), minlength=len(places)), len(text)).astype(float)


def _texts(kept: Mapping[str, Sequence[Sequence[str]]], places: Sequence[int]) -> list[list[Sequence[str]]]:
    return [[prompts[place] for place in places] for prompts in kept.values()]


def _words(texts: Sequence[Sequence[str]]) -> int:
    return sum(map(len, texts))
