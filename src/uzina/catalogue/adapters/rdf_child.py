"""Reads RDF in a process of its own: a document made to burst a parser bursts only this.

Run as `python -I rdf_child.py FORMAT BASE MOST` with the document on stdin. Writes its triples as
N-Triples; ends with 3 and a sentence on stderr for a document that cannot be read.
"""

import resource
import sys

MEMORY = 2 * 2**30
CPU_S = 120


def main() -> int:
    """Read, write, count."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    import pyoxigraph as ox

    name, base, most = sys.argv[1], sys.argv[2], int(sys.argv[3])
    body = sys.stdin.buffer.read()
    written = 0
    out = sys.stdout.buffer
    try:
        for quad in ox.parse(body, format=getattr(ox.RdfFormat, name), base_iri=base):
            if isinstance(quad.object, ox.Triple):
                continue
            written += 1
            if written > most:
                sys.stderr.write(f"The page has more than {most} statements.")
                return 3
            out.write(f"{quad.triple} .\n".encode())
    except (SyntaxError, ValueError, OSError) as error:
        sys.stderr.write(f"The page cannot be read: {str(error)[:300]}")
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
