"""Signs collections with a key whose certificate chain is served beside them.

kinto-signer's own local signer names no chain (x5u). The folder of the run holds the leaf's key in leaf.key, the chain
in chains/NAME.pem, and NAME in chain.txt; all are read for each signature, so a test rotates them by writing them.
"""

import base64
import pathlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from kinto_signer.signer.base import SignerBase

PREFIX = b"Content-Signature:\x00"
# R and S have 384 bits each.
HALF = 48


class Signer(SignerBase):
    def __init__(self, here, origin):
        self.here = pathlib.Path(here)
        self.origin = origin

    def sign(self, payload):
        if isinstance(payload, str):
            payload = payload.encode()
        key = serialization.load_pem_private_key((self.here / "leaf.key").read_bytes(), password=None)
        r, s = utils.decode_dss_signature(key.sign(PREFIX + payload, ec.ECDSA(hashes.SHA384())))
        raw = r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big")
        name = (self.here / "chain.txt").read_text().strip()
        return {
            "signature": base64.urlsafe_b64encode(raw).decode(),
            "x5u": f"{self.origin}/chains/{name}.pem",
            "mode": "p384ecdsa",
            "type": "contentsignaturepki",
            "signer_id": name,
        }


def load_from_settings(settings, prefix="", *, prefixes=None):
    return Signer(settings["signer.here"], settings["signer.origin"])
