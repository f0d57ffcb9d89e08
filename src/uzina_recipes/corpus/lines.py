"""Kernels of the C4 and FineWeb rules: which lines of a text stay, and what remains of it."""

import numpy as np
from numba import njit

from uzina_recipes.corpus import characters, words
from uzina_recipes.corpus.gopher import (
    BREAK,
    FULL_STOP,
    NEWLINE,
    RETURN,
    SPACE,
    longest,
    room_for,
    slot,
)

STOP = np.uint16(characters.STOP)
DIGIT = np.uint16(characters.DIGIT)
WORD = np.uint16(characters.WORD)
CLOSING = np.uint16(characters.CLOSING)
OPEN, CLOSE = np.uint32(ord("[")), np.uint32(ord("]"))
CURLY = np.uint32(ord("{"))
CASE = np.uint32(32)
UPPER_A, UPPER_Z = np.uint32(ord("A")), np.uint32(ord("Z"))


def phrase(text):
    """A phrase in small letters, as a kernel compares it."""
    return np.array([ord(c) for c in text], np.uint32)


ENDS = phrase(".?!\"'")
EDIT, NEEDED = phrase("[edit]"), phrase("[citation needed]")
LOREM, SCRIPT = phrase("lorem ipsum"), phrase("javascript")
POLICIES = (
    phrase("terms of use"),
    phrase("privacy policy"),
    phrase("cookie policy"),
    phrase("uses cookies"),
    phrase("use of cookies"),
    phrase("use cookies"),
)


@njit(cache=True, inline="always")
def small(point):  # pragma: no cover
    """An ASCII letter in lower case; anything else as it is."""
    if UPPER_A <= point <= UPPER_Z:
        return point + CASE
    return point


@njit(cache=True)
def holds(points, at, last, sought):  # pragma: no cover
    """Whether a phrase occurs, whatever its case."""
    for begin in range(at, last - len(sought) + 1):
        if small(points[begin]) == sought[0]:
            same = True
            for offset in range(1, len(sought)):
                if small(points[begin + offset]) != sought[offset]:
                    same = False
                    break
            if same:
                return True
    return False


@njit(cache=True)
def is_at(points, at, last, sought):  # pragma: no cover
    """Whether a phrase stands here as it is written."""
    if at + len(sought) > last:
        return False
    for offset in range(len(sought)):
        if points[at + offset] != sought[offset]:
            return False
    return True


@njit(cache=True)
def citation_end(points, at, last, classes):  # pragma: no cover
    """Where the citation that begins here ends; here when none does."""
    end = at + 1
    while end < last and classes[points[end]] & DIGIT:
        end += 1
    if end < last and points[end] == CLOSE:
        return end + 1
    if is_at(points, at, last, EDIT):
        return at + len(EDIT)
    if is_at(points, at, last, NEEDED):
        return at + len(NEEDED)
    return at


@njit(cache=True)
def sentences(points, at, last, classes):  # pragma: no cover
    """How many sentences a line has.

    One ends at a single sentence mark that no letter or digit follows at once; the next begins at
    the first character after it that is neither a space nor punctuation.
    """
    count, ended = 1, False
    while at < last:
        kind = classes[points[at]]
        if kind & SPACE:
            at += 1
        elif kind & WORD:
            while at < last and classes[points[at]] & WORD:
                at += 1
            count += ended
            ended = False
        elif points[at] == FULL_STOP and at + 1 < last and points[at + 1] == FULL_STOP:
            while at < last and points[at] == FULL_STOP:
                at += 1
        else:
            inside = at + 1 < last and classes[points[at + 1]] & WORD
            if kind & STOP and not inside:
                ended = True
            elif not kind & CLOSING:
                count += ended
                ended = False
            at += 1
    return count


@njit(cache=True)
def measure_line(points, at, last, classes):  # pragma: no cover
    """How many words between spaces a line has, and the characters of the longest."""
    count, most = 0, 0
    while at < last:
        while at < last and classes[points[at]] & SPACE:
            at += 1
        begin = at
        while at < last and not classes[points[at]] & SPACE:
            at += 1
        if at > begin:
            count += 1
            most = max(most, at - begin)
    return count, most


@njit(cache=True)
def broken_line(points, begin, end, count, most, limits):  # pragma: no cover
    """Which rule drops a line, -1 for none, or below: -2 lorem ipsum, -3 a curly bracket.

    limits  as for c4
    """
    if most > limits[0]:
        return 0
    if not np.isnan(limits[2]):
        closed = False
        for mark in ENDS:
            closed |= end > begin and points[end - 1] == mark
        dots = (
            end - begin >= 3
            and points[end - 1] == FULL_STOP
            and points[end - 2] == FULL_STOP
            and points[end - 3] == FULL_STOP
        )
        if dots or not closed:
            return 2
    if count < limits[3]:
        return 3
    if not np.isnan(limits[6]) and holds(points, begin, end, LOREM):
        return -2
    if not np.isnan(limits[4]) and holds(points, begin, end, SCRIPT):
        return 4
    if not np.isnan(limits[7]):
        for at in range(begin, end):
            if points[at] == CURLY:
                return -3
    if not np.isnan(limits[5]):
        for policy in POLICIES:
            if holds(points, begin, end, policy):
                return 5
    return -1


@njit(cache=True)
def c4(
    points, starts, classes, limits, out, out_starts, dropped, number, rule, measured
):  # pragma: no cover
    """Keep the lines that read like sentences; judge what remains of each text.

    limits   [9] for lines: longest word, citations, end mark, fewest words, JavaScript, policies;
             for texts: lorem ipsum, curly bracket, fewest sentences. Only the longest word and the
             fewest words and sentences are compared; of the others it counts that they are on
    out      [characters] the kept lines of each text, from out_starts[text] to out_starts[text + 1]
    dropped  [texts, 6] lines that each rule dropped
    """
    made = 0
    for text in range(len(starts) - 1):
        out_starts[text] = made
        if rule[text] >= 0:
            continue
        at, last = starts[text], starts[text + 1]
        base, total = made, 0
        while at < last:
            begin = at
            while at < last and not classes[points[at]] & BREAK:
                at += 1
            end = at
            if at + 1 < last and points[at] == RETURN and points[at + 1] == NEWLINE:
                at += 1
            at += 1
            while begin < end and classes[points[begin]] & SPACE:
                begin += 1
            while begin < end and classes[points[end - 1]] & SPACE:
                end -= 1
            count, most = measure_line(points, begin, end, classes)
            line = made
            if made > base:
                out[made] = NEWLINE
                line += 1
            to = line
            while begin < end:
                if points[begin] == OPEN and not np.isnan(limits[1]):
                    after = citation_end(points, begin, end, classes)
                    if after > begin:
                        dropped[text, 1] += 1
                        begin = after
                        continue
                out[to] = points[begin]
                to += 1
                begin += 1
            broken = broken_line(out, line, to, count, most, limits)
            if broken < -1:
                rule[text] = number + 4 - broken
                measured[text] = 1
                break
            if broken >= 0:
                dropped[text, broken] += 1
                continue
            total += sentences(out, line, to, classes)
            made = to
        if rule[text] < 0 and total < limits[8]:
            rule[text], measured[text] = number + 8, total
        while made > base and classes[out[made - 1]] & SPACE:
            made -= 1
        # A citation at the very beginning leaves the space behind it.
        spaces = 0
        while base + spaces < made and classes[out[base + spaces]] & SPACE:
            spaces += 1
        if spaces:
            for place in range(base, made - spaces):
                out[place] = out[place + spaces]
            made -= spaces
        if rule[text] >= 0:
            made = base
    out_starts[len(starts) - 1] = made
    return made


@njit(cache=True)
def fineweb(
    points, starts, classes, word_starts, limits, number, rule, measured
):  # pragma: no cover
    """Judge the lines of each text.

    limits  [5] share of lines that end a sentence, share of short lines, characters in repeated
            lines, line breaks a word; then how many characters a short line has at most
    """
    room = room_for(longest(starts) // 2 + 2)
    keys, stamps = np.zeros(room, np.uint64), np.zeros(room, np.int32)
    for text in range(len(starts) - 1):
        if rule[text] >= 0:
            continue
        at, last = starts[text], starts[text + 1]
        lines, ended, short, repeated, breaks = 0, 0, 0, 0, 0
        while at < last:
            begin, blank = at, True
            value = words.OFFSET
            while at < last and points[at] != NEWLINE:
                blank &= (classes[points[at]] & SPACE) != 0
                value = (value ^ np.uint64(points[at])) * words.PRIME
                at += 1
            if not blank:
                lines += 1
                ended += (classes[points[at - 1]] & STOP) != 0
                short += at - begin <= limits[4]
                value = words.mixed(value)
                place = slot(keys, stamps, text + 1, value)
                if stamps[place] == text + 1:
                    repeated += at - begin
                else:
                    stamps[place], keys[place] = text + 1, value
            breaks += at < last
            at += 1
        size = last - starts[text] - breaks
        shares = (
            ended / max(lines, 1),
            short / max(lines, 1),
            repeated / max(size, 1),
            breaks / max(word_starts[text + 1] - word_starts[text], 1),
        )
        if shares[0] < limits[0]:
            rule[text], measured[text] = number + 0, shares[0]
            continue
        for index in range(1, 4):
            if shares[index] > limits[index]:
                rule[text], measured[text] = number + index, shares[index]
                break
