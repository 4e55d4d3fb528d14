"""Verifies a changeset as the server's own tools do, and prints how long that took.

The same work and the same checks as rs-client's: records in order of ids, canonical JSON, SHA-384; the chain's pin,
dates, signatures, uses, name constraint and name; then the content signature.
"""

import base64
import datetime
import hashlib
import json
import operator
import pathlib
import sys
import time

import canonicaljson
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.x509.oid import ExtendedKeyUsageOID

SIGNER = "remote-settings.content-signature.mozilla.org"


def refuse(what):
    raise SystemExit(f"refused: {what}")


def check_chain(pem, root_hash, now):
    chain = x509.load_pem_x509_certificates(pem)
    if chain[-1].fingerprint(hashes.SHA256()).hex() != root_hash:
        refuse("the root")
    for certificate in chain:
        if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
            refuse("a date")
    for certificate, issuer in zip(chain, chain[1:]):
        certificate.verify_directly_issued_by(issuer)
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            refuse("an issuer")
    for certificate in chain[:-1]:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        if ExtendedKeyUsageOID.CODE_SIGNING not in usage:
            refuse("a use")
    names = chain[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    names = names.get_values_for_type(x509.DNSName)
    constraints = chain[1].extensions.get_extension_for_class(x509.NameConstraints).value
    permitted = [subtree.value for subtree in constraints.permitted_subtrees or []]
    for name in names:
        if not any(name == domain or name.endswith("." + domain) for domain in permitted):
            refuse("a name constraint")
    if SIGNER not in names:
        refuse("the name")
    return chain[0].public_key()


def verify(body, pem, root_hash):
    changeset = json.loads(body)
    records = [record for record in changeset["changes"] if not record.get("deleted", False)]
    records = sorted(records, key=operator.itemgetter("id"))
    payload = {"data": records, "last_modified": str(changeset["timestamp"])}
    message = b"Content-Signature:\x00" + canonicaljson.dumps(payload).encode("utf-8")
    digest = hashlib.sha384(message).digest()
    key = check_chain(pem, root_hash, datetime.datetime.now(datetime.timezone.utc))
    signature = base64.urlsafe_b64decode(changeset["metadata"]["signature"]["signature"])
    r, s = (int.from_bytes(half, "big") for half in (signature[:48], signature[48:]))
    signature = utils.encode_dss_signature(r, s)
    key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA384())))
    return records


def main(folder):
    body = (folder / "changeset.json").read_bytes()
    pem = (folder / "chain.pem").read_bytes()
    root_hash = (folder / "root.txt").read_text()
    wall, cpu = time.perf_counter(), time.process_time()
    records = verify(body, pem, root_hash)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert records
    print(json.dumps({"wall_ms": wall * 1000, "cpu_ms": cpu * 1000}))


main(pathlib.Path(sys.argv[1]))
