"""What is attached to images in registries: types of artifacts, and how ours are known.

Spec: OCI distribution-spec 1.1, "Listing Referrers", for annotations that lists show.
"""

from __future__ import annotations

#: Artifact type of a file that declares an environment.
DECLARATION_TYPE = "application/vnd.docker-envs.declaration.v1"
#: The annotation of what docker-envs attached. Its value says what the document was made from: for a
#: bill of materials `image`, so one of any release will do; for a declaration the digest of the file.
SOURCE_ANNOTATION = "io.docker-envs.source"
