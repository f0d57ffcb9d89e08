"""Files that applicants could send, good and hostile, made here byte by byte."""

import io
import zipfile

DOCX_TYPES = '<?xml version="1.0"?><Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>'
WORDS = '<?xml version="1.0"?><w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"/>'
ODT = "application/vnd.oasis.opendocument.text"


def pdf(*objects, catalog="", page=""):
    """Return a PDF of one empty page, with more entries or objects (from number 4 on)."""
    bodies = [
        f"<< /Type /Catalog /Pages 2 0 R {catalog} >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 100 100] {page} >>",
        *objects,
    ]
    made, places = b"%PDF-1.7\n", []
    for number, body in enumerate(bodies, start=1):
        places.append(len(made))
        made += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(made)
    made += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n".encode()
    made += b"".join(f"{place:010} 00000 n \n".encode() for place in places)
    made += (
        f"trailer << /Size {len(bodies) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n".encode()
    )
    return made


def packed(members):
    """Return a zip archive of names and contents."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def docx(**more):
    """Return a Word document, with more members: dots of names are written as they are."""
    return packed({"[Content_Types].xml": DOCX_TYPES, "word/document.xml": WORDS, **more})


def odt(**more):
    return packed({"mimetype": ODT, "content.xml": "<x/>", **more})
