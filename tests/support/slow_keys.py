"""RSA keys that are fine, but for a public exponent as long as the modulus: a signature takes long to check."""

import math

from cryptography.hazmat.primitives.asymmetric import rsa


def slow_rsa(bits: int = 2048) -> rsa.RSAPrivateKey:
    """A new one."""
    made = rsa.generate_private_key(65537, bits).private_numbers()
    p, q = made.p, made.q
    group = (p - 1) * (q - 1)
    exponent = group - 1
    while math.gcd(exponent, group) != 1:
        exponent -= 2
    private = pow(exponent, -1, group)
    public = rsa.RSAPublicNumbers(exponent, p * q)
    halves = private % (p - 1), private % (q - 1)
    return rsa.RSAPrivateNumbers(p, q, private, *halves, rsa.rsa_crt_iqmp(p, q), public).private_key()
