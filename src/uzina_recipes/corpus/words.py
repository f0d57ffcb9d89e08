"""Words: where they begin and end, and 64 bits that stand for each.

The thresholds of the published rules were found on words as linguistic tokenizers make them, which
differ from runs of letters: 7.4, pg_hba.conf and l'image are one word, (see) is three. So a word
is made of the characters between two spaces, in three steps:

1. punctuation, brackets, quotation marks and pictures come off both ends, one word each (several
   full stops together are one); from the front also currencies, % = +, from the back also 's, a
   full stop but for an initial's, and currencies, % + after a digit;
2. what holds @ or :// or begins with www. stays whole;
3. anything else is cut at pictures and ellipses, and where a hyphen or a comma stands between
   letters, a full stop between a small and a capital letter, one of : < > = / before a letter, or
   one of + * ^ - between digits; what it is cut at is a word too.

Every rule goes by these words, found once for each text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from uzina_recipes.corpus import characters
from uzina_recipes.corpus.batch import Batch, Places

SPACE = np.uint16(characters.SPACE)
WORD = np.uint16(characters.WORD)
LETTER = np.uint16(characters.LETTER)
SYMBOL = np.uint16(characters.SYMBOL)
DIGIT = np.uint16(characters.DIGIT)
EDGE = np.uint16(characters.EDGE)
CURRENCY = np.uint16(characters.CURRENCY)
UPPER = np.uint16(characters.UPPER)
LOWER = np.uint16(characters.LOWER)
PICTURE = np.uint16(characters.PICTURE)
HYPHEN = np.uint16(characters.HYPHEN)
JOINT = np.uint16(characters.JOINT)
PERCENT, EQUALS, PLUS = np.uint32(ord("%")), np.uint32(ord("=")), np.uint32(ord("+"))
DASH, STAR, CARET = np.uint32(ord("-")), np.uint32(ord("*")), np.uint32(ord("^"))
APOSTROPHE, QUOTE = np.uint32(ord("'")), np.uint32(ord("’"))
SMALL_S, CAPITAL_S = np.uint32(ord("s")), np.uint32(ord("S"))
AT_SIGN, COLON, SLASH = np.uint32(ord("@")), np.uint32(ord(":")), np.uint32(ord("/"))
SMALL_W, ELLIPSIS = np.uint32(ord("w")), np.uint32(ord("…"))
FULL_STOP = np.uint32(ord("."))
COMMA = np.uint32(ord(","))
NOUGHT = np.uint64(ord("0"))

OFFSET = np.uint64(0xCBF29CE484222325)
PRIME = np.uint64(0x100000001B3)
MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
MIX_2 = np.uint64(0x94D049BB133111EB)
SHIFT_1, SHIFT_2, SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)

HAS_LETTER = np.uint8(1)
ALL_SYMBOLS = np.uint8(2)


@njit(cache=True, inline="always")
def mixed(value):
    """64 bits whose every bit depends on every bit of the value (the finaliser of SplitMix64)."""
    value = (value ^ (value >> SHIFT_1)) * MIX_1
    value = (value ^ (value >> SHIFT_2)) * MIX_2
    return value ^ (value >> SHIFT_3)


@dataclass(frozen=True)
class Words:
    """The words of a batch.

    starts  [texts + 1] where each text's words begin in the arrays below
    begins  [words] where in the batch's points a word begins
    ends    [words] and ends
    hashes  [words] 64 bits that stand for the word as it is written
    kinds   [words] HAS_LETTER, ALL_SYMBOLS
    """

    starts: Places
    begins: NDArray[np.int32]
    ends: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    kinds: NDArray[np.uint8]

    @classmethod
    def of(cls, batch: Batch) -> Words:
        """Find the words of every text."""
        room = len(batch.points)
        begins, ends = np.empty(room, np.int32), np.empty(room, np.int32)
        hashes, kinds = np.empty(room, np.uint64), np.empty(room, np.uint8)
        starts = np.zeros(len(batch) + 1, np.int64)
        found = find_words(
            batch.points,
            batch.starts,
            characters.classes(),
            starts,
            begins,
            ends,
            hashes,
            kinds,
        )
        return cls(starts, begins[:found], ends[:found], hashes[:found], kinds[:found])


@njit(cache=True)
def find_words(
    points, text_starts, classes, starts, begins, ends, hashes, kinds
):  # pragma: no cover
    """Fill the arrays of Words; returns how many words there are."""
    count = 0
    for text in range(len(text_starts) - 1):
        starts[text] = count
        at, last = text_starts[text], text_starts[text + 1]
        while at < last:
            if classes[points[at]] & SPACE:
                at += 1
                continue
            begin = at
            while at < last and not classes[points[at]] & SPACE:
                at += 1
            count = cut(points, begin, at, classes, begins, ends, count)
        for word in range(starts[text], count):
            value = OFFSET
            every, symbols = np.uint16(0), SYMBOL
            for place in range(begins[word], ends[word]):
                point = points[place]
                value = (value ^ np.uint64(point)) * PRIME
                every |= classes[point]
                symbols &= classes[point]
            hashes[word] = mixed(value)
            kinds[word] = (HAS_LETTER if every & LETTER else np.uint8(0)) | (
                ALL_SYMBOLS if symbols else np.uint8(0)
            )
    starts[len(text_starts) - 1] = count
    return count


@njit(cache=True)
def cut(points, begin, end, classes, begins, ends, count):  # pragma: no cover
    """Cut the characters between two spaces into words; returns how many words there are now."""
    while begin < end:
        size = front(points, begin, end, classes)
        if not size:
            break
        begins[count], ends[count] = begin, begin + size
        count += 1
        begin += size
    stop = end
    while begin < stop:
        size = back(points, begin, stop, classes)
        if not size:
            break
        stop -= size
    if begin < stop:
        if stays_whole(points, begin, stop):
            begins[count], ends[count] = begin, stop
            count += 1
        else:
            at = first = begin
            while at < stop:
                size = inner(points, begin, at, stop, classes)
                if not size:
                    at += 1
                    continue
                if at > first:
                    begins[count], ends[count] = first, at
                    count += 1
                begins[count], ends[count] = at, at + size
                count += 1
                at += size
                first = at
            if stop > first:
                begins[count], ends[count] = first, stop
                count += 1
    # What came off the back, the last first: laid down in reverse, then turned round.
    low = count
    while stop < end:
        size = back(points, begin, end, classes)
        end -= size
        begins[count], ends[count] = end, end + size
        count += 1
    high = count - 1
    while low < high:
        begins[low], begins[high] = begins[high], begins[low]
        ends[low], ends[high] = ends[high], ends[low]
        low += 1
        high -= 1
    return count


@njit(cache=True, inline="always")
def stops(points, at, end):  # pragma: no cover
    """How many full stops stand here in a row."""
    size = 0
    while at + size < end and points[at + size] == FULL_STOP:
        size += 1
    return size


@njit(cache=True)
def front(points, begin, end, classes):  # pragma: no cover
    """How many characters come off the front, as one word; 0 for none."""
    point = points[begin]
    if point == FULL_STOP:
        size = stops(points, begin, end)
        return size if size > 1 else 0
    if classes[point] & (EDGE | CURRENCY) or point == PERCENT or point == EQUALS:
        return 1
    if point == PLUS and not (begin + 1 < end and classes[points[begin + 1]] & DIGIT):
        return 1
    return 0


@njit(cache=True)
def back(points, begin, end, classes):  # pragma: no cover
    """How many characters come off the back, as one word; 0 for none."""
    point = points[end - 1]
    if classes[point] & EDGE:
        return 1
    if point == FULL_STOP:
        size = 1
        while end - size > begin and points[end - size - 1] == FULL_STOP:
            size += 1
        initial = (
            size == 1
            and end - 2 >= begin
            and classes[points[end - 2]] & UPPER
            and not (end - 3 >= begin and classes[points[end - 3]] & UPPER)
        )
        return 0 if initial else size
    if end - 2 < begin:
        return 0
    before = points[end - 2]
    if classes[point] & CURRENCY or point == PERCENT or point == PLUS:
        return 1 if classes[before] & DIGIT else 0
    if (
        (point == SMALL_S or point == CAPITAL_S)
        and (before == APOSTROPHE or before == QUOTE)
        and end - 3 >= begin
    ):
        return 2
    return 0


@njit(cache=True)
def stays_whole(points, begin, end):  # pragma: no cover
    """Whether this is an address."""
    for at in range(begin, end):
        if points[at] == AT_SIGN:
            return True
        if (
            points[at] == COLON
            and at + 2 < end
            and points[at + 1] == SLASH
            and points[at + 2] == SLASH
        ):
            return True
    return (
        end - begin >= 4
        and points[begin] == SMALL_W
        and points[begin + 1] == SMALL_W
        and points[begin + 2] == SMALL_W
        and points[begin + 3] == FULL_STOP
    )


@njit(cache=True)
def inner(points, begin, at, end, classes):  # pragma: no cover
    """How many characters from here cut the word, as a word of their own; 0 for none."""
    point = points[at]
    kind = classes[point]
    if kind & WORD:
        return 0
    if kind & PICTURE or point == ELLIPSIS:
        return 1
    if point == FULL_STOP:
        size = stops(points, at, end)
        if size > 1:
            return size
    if at == begin or at + 1 >= end:
        return 0
    left, right = classes[points[at - 1]], classes[points[at + 1]]
    if (
        left & DIGIT
        and (point == PLUS or point == STAR or point == CARET or point == DASH)
        and (right & DIGIT or points[at + 1] == DASH)
    ):
        return 1
    if kind & HYPHEN and left & LETTER:
        size = 1
        while point == DASH and size < 3 and at + size < end and points[at + size] == DASH:
            size += 1
        if at + size < end and classes[points[at + size]] & LETTER:
            return size
        return 0
    if point == FULL_STOP:
        return 1 if left & LOWER and right & UPPER else 0
    if point == COMMA:
        return 1 if left & LETTER and right & LETTER else 0
    if kind & JOINT:
        return 1 if left & (LETTER | DIGIT) and right & LETTER else 0
    return 0


@dataclass(frozen=True)
class Folded:
    """The words of a batch for finding texts that say the same.

    Lower case, no accents, each number one 0, punctuation only separates.

    starts  [texts + 1]
    hashes  [words]
    """

    starts: Places
    hashes: NDArray[np.uint64]

    @classmethod
    def of(cls, batch: Batch) -> Folded:
        """Find the folded words of every text."""
        hashes = np.empty(len(batch.points), np.uint64)
        starts = np.zeros(len(batch) + 1, np.int64)
        found = fold_words(
            batch.points,
            batch.starts,
            characters.classes(),
            characters.folded(),
            starts,
            hashes,
        )
        return cls(starts, hashes[:found])


@njit(cache=True)
def fold_words(points, text_starts, classes, folded, starts, hashes):  # pragma: no cover
    """Fill the arrays of Folded; returns how many words there are."""
    count = 0
    for text in range(len(text_starts) - 1):
        starts[text] = count
        at, last = text_starts[text], text_starts[text + 1]
        value, inside = OFFSET, False
        while at < last:
            point = points[at]
            kind = classes[point]
            if kind & DIGIT:
                # A number with at most one decimal separator is one 0.
                at = after_digits(points, classes, at, last)
                if at + 1 < last and (points[at] == FULL_STOP or points[at] == COMMA):
                    if classes[points[at + 1]] & DIGIT:
                        at = after_digits(points, classes, at + 1, last)
                value = (value ^ NOUGHT) * PRIME
                inside = True
                continue
            at += 1
            if kind & WORD and not kind & SYMBOL:
                base = folded[point]
                if base:
                    value = (value ^ np.uint64(base)) * PRIME
                    inside = True
                continue
            if inside:
                hashes[count] = mixed(value)
                count += 1
                value, inside = OFFSET, False
            if not kind & (SPACE | SYMBOL):
                hashes[count] = mixed((OFFSET ^ np.uint64(point)) * PRIME)
                count += 1
        if inside:
            hashes[count] = mixed(value)
            count += 1
    starts[len(text_starts) - 1] = count
    return count


@njit(cache=True)
def after_digits(points, classes, at, last):  # pragma: no cover
    """The first place from here that is no digit."""
    while at < last and classes[points[at]] & DIGIT:
        at += 1
    return at
