"""What a certificate authority of ours is for. Python 3.13 trusts none that does not say it."""

from __future__ import annotations

from cryptography import x509

#: VERIFY_X509_STRICT; RFC 5280, section 4.2.1.3.
USAGE = x509.KeyUsage(
    digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
)  # fmt: skip
