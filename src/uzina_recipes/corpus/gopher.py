"""Kernels of the Gopher rules: how much of a text repeats itself, and what it is made of.

Each kernel passes over the texts that broke a rule already (rule[text] >= 0). For the others it
writes the number of the first rule broken, counted from `number`, and what was measured. A
threshold that is not a number switches its rule off.
"""

import numpy as np
from numba import njit

from uzina_recipes.corpus import characters, words

SPACE = np.uint16(characters.SPACE)
BREAK = np.uint16(characters.BREAK)
NEWLINE = np.uint32(ord("\n"))
RETURN = np.uint32(ord("\r"))
HASH_SIGN = np.uint32(ord("#"))
FULL_STOP = np.uint32(ord("."))
ELLIPSIS = np.uint32(ord("…"))
BULLET = np.uint32(ord("•"))
DASH = np.uint32(ord("-"))
BASE = np.uint64(0x9E3779B97F4A7C15)
"""Odd, so that every word counts in a run's polynomial."""

TOP = (2, 3, 4)
REPEATED = (5, 6, 7, 8, 9, 10)
ONE = np.uint64(1)


@njit(cache=True, inline="always")
def slot(keys, stamps, stamp, key):  # pragma: no cover
    """Where a key stands or would stand in a table; the place is free when its stamp is older."""
    mask = len(keys) - 1
    at = np.int64(key) & mask
    while stamps[at] == stamp and keys[at] != key:
        at = (at + 1) & mask
    return at


@njit(cache=True)
def room_for(count):  # pragma: no cover
    """The size of a table that stays at most half full."""
    size = 16
    while size < 2 * count:
        size *= 2
    return size


@njit(cache=True)
def longest(starts):  # pragma: no cover
    """The largest step between neighbours."""
    most = 0
    for at in range(len(starts) - 1):
        most = max(most, starts[at + 1] - starts[at])
    return most


@njit(cache=True)
def repeated_parts(points, at, last, breaks, keys, stamps, stamp):  # pragma: no cover
    """How many parts a text has, how many repeat an earlier one, and their characters.

    breaks  how many line breaks in a row separate two parts
    """
    parts, repeats, characters_ = 0, 0, 0
    begin = at
    value = words.OFFSET
    while True:
        run = at
        while run < last and points[run] == NEWLINE:
            run += 1
        if run - at >= breaks or at == last:
            parts += 1
            value = words.mixed(value)
            place = slot(keys, stamps, stamp, value)
            if stamps[place] == stamp:
                repeats += 1
                characters_ += at - begin
            else:
                stamps[place], keys[place] = stamp, value
            if at == last:
                return parts, repeats, characters_
            at = begin = run
            value = words.OFFSET
        else:
            for _ in range(max(run - at, 1)):
                value = (value ^ np.uint64(points[at])) * words.PRIME
                at += 1


@njit(cache=True)
def most_common(sums, sizes, count, width, power, keys, stamps, places, stamp):  # pragma: no cover
    """The characters of the commonest run of so many words, spaces between them counted.

    Of several equally common runs the one that comes first counts.
    """
    best, best_count = 0, 0
    for at in range(count - width + 1):
        value = words.mixed(sums[at + width] - sums[at] * power)
        place = slot(keys, stamps, stamp, value)
        if stamps[place] != stamp:
            stamps[place], keys[place] = stamp, value
            places[place, 0], places[place, 1] = at, 0
        places[place, 1] += 1
        first, times = places[place, 0], places[place, 1]
        if times > best_count or (times == best_count and first < best):
            best, best_count = first, times
    return (sizes[best + width] - sizes[best] + width - 1) * best_count


@njit(cache=True)
def repeated_runs(sums, sizes, count, width, power, keys, stamps, stamp):  # pragma: no cover
    """The characters in runs of so many words that occurred before; no run overlaps the last."""
    total, at = 0, 0
    while at < count - width + 1:
        value = words.mixed(sums[at + width] - sums[at] * power)
        place = slot(keys, stamps, stamp, value)
        if stamps[place] == stamp:
            total += sizes[at + width] - sizes[at]
            at += width
        else:
            stamps[place], keys[place] = stamp, value
            at += 1
    return total


@njit(cache=True)
def repetition(
    points, starts, classes, word_starts, begins, ends, hashes, limits, number, rule, measured
):  # pragma: no cover
    """Judge how much each text repeats itself.

    limits  [13] share of paragraphs, their characters, share of lines, their characters, the
            commonest run of 2, 3, 4 words, repeated runs of 5 to 10 words
    """
    room = room_for(max(longest(word_starts), longest(starts) // 2) + 2)
    keys, stamps = np.zeros(room, np.uint64), np.zeros(room, np.int32)
    places = np.zeros((room, 2), np.int32)
    sums = np.zeros(longest(word_starts) + 1, np.uint64)
    sizes = np.zeros(longest(word_starts) + 1, np.int64)
    stamp = 0
    for text in range(len(starts) - 1):
        if rule[text] >= 0:
            continue
        first, last = starts[text], starts[text + 1]
        length = last - first
        if not length:
            continue
        begin, end = first, last
        while begin < end and classes[points[begin]] & SPACE:
            begin += 1
        while begin < end and classes[points[end - 1]] & SPACE:
            end -= 1
        for index in range(2):
            stamp += 1
            if index == 0:
                found = repeated_parts(points, begin, end, 2, keys, stamps, stamp)
            else:
                found = repeated_parts(points, first, last, 1, keys, stamps, stamp)
            share, part = found[1] / found[0], found[2] / length
            if share > limits[2 * index]:
                rule[text], measured[text] = number + 2 * index, share
                break
            if part > limits[2 * index + 1]:
                rule[text], measured[text] = number + 2 * index + 1, part
                break
        if rule[text] >= 0:
            continue
        base = word_starts[text]
        count = word_starts[text + 1] - base
        for at in range(count):
            sums[at + 1] = sums[at] * BASE + hashes[base + at]
            sizes[at + 1] = sizes[at] + ends[base + at] - begins[base + at]
        power = BASE
        for width in range(2, 11):
            power *= BASE
            if count < width or np.isnan(limits[width + 2]):
                continue
            stamp += 1
            if width <= 4:
                part = (
                    most_common(sums, sizes, count, width, power, keys, stamps, places, stamp)
                    / length
                )
            else:
                part = repeated_runs(sums, sizes, count, width, power, keys, stamps, stamp) / length
            if part > limits[width + 2]:
                rule[text], measured[text] = number + width + 2, part
                break


@njit(cache=True)
def count_lines(points, at, last, classes):  # pragma: no cover
    """How many lines a text has, how many begin with a bullet and how many end in an ellipsis."""
    lines, bullets, ellipses = 0, 0, 0
    while at < last:
        begin = at
        while at < last and not classes[points[at]] & BREAK:
            at += 1
        end = at
        while begin < end and classes[points[begin]] & SPACE:
            begin += 1
        while begin < end and classes[points[end - 1]] & SPACE:
            end -= 1
        lines += 1
        if begin < end:
            bullets += points[begin] == BULLET or points[begin] == DASH
            ellipses += points[end - 1] == ELLIPSIS or (
                end - begin >= 3
                and points[end - 1] == FULL_STOP
                and points[end - 2] == FULL_STOP
                and points[end - 3] == FULL_STOP
            )
        if at + 1 < last and points[at] == RETURN and points[at + 1] == NEWLINE:
            at += 1
        at += 1
    return lines, bullets, ellipses


@njit(cache=True)
def quality(
    points,
    starts,
    classes,
    word_starts,
    begins,
    ends,
    hashes,
    kinds,
    common,
    limits,
    number,
    rule,
    measured,
):  # pragma: no cover
    """Judge what each text is made of.

    common  [n] sorted hashes of stop words
    limits  [10] fewest and most words, shortest and longest mean word, hash signs and ellipses a
            word, share of lines with a bullet, of lines that end in an ellipsis, of words with a
            letter, different stop words
    """
    seen = np.zeros(len(common), np.int64)
    for text in range(len(starts) - 1):
        if rule[text] >= 0:
            continue
        first, last = starts[text], starts[text + 1]
        base, stop = word_starts[text], word_starts[text + 1]
        total = max(stop - base, 1)
        real, size, lettered = 0, 0, 0
        for at in range(base, stop):
            if not kinds[at] & words.ALL_SYMBOLS:
                real += 1
                size += ends[at] - begins[at]
            lettered += (kinds[at] & words.HAS_LETTER) != 0
        mean = size / max(real, 1)
        if real < limits[0]:
            rule[text], measured[text] = number + 0, real
            continue
        if real > limits[1]:
            rule[text], measured[text] = number + 1, real
            continue
        if mean < limits[2]:
            rule[text], measured[text] = number + 2, mean
            continue
        if mean > limits[3]:
            rule[text], measured[text] = number + 3, mean
            continue
        hash_signs, ellipses, run = 0, 0, 0
        for at in range(first, last):
            point = points[at]
            hash_signs += point == HASH_SIGN
            ellipses += point == ELLIPSIS
            if point == FULL_STOP:
                run += 1
                if run == 3:
                    ellipses += 1
                    run = 0
            else:
                run = 0
        if hash_signs / total > limits[4]:
            rule[text], measured[text] = number + 4, hash_signs / total
            continue
        if ellipses / total > limits[5]:
            rule[text], measured[text] = number + 5, ellipses / total
            continue
        lines, bullets, trailing = count_lines(points, first, last, classes)
        lines = max(lines, 1)
        if bullets / lines > limits[6]:
            rule[text], measured[text] = number + 6, bullets / lines
            continue
        if trailing / lines > limits[7]:
            rule[text], measured[text] = number + 7, trailing / lines
            continue
        if lettered / total < limits[8]:
            rule[text], measured[text] = number + 8, lettered / total
            continue
        if not np.isnan(limits[9]):
            met = 0
            for at in range(base, stop):
                place = np.searchsorted(common, hashes[at])
                if place < len(common) and common[place] == hashes[at] and seen[place] != text + 1:
                    seen[place] = text + 1
                    met += 1
            if met < limits[9]:
                rule[text], measured[text] = number + 9, met
