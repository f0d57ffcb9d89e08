"""What makes a corpus of raw texts: pure, streaming, offline, the same in any number of workers.

Texts come in batches, answers go out as arrays, one entry a text. No answer depends on what else
is in the batch. What needs to see the whole corpus (exact and near duplicates) takes fixed-size
digests in the order of the corpus and keeps no text.
"""
