"""Intel SGX: the report of an enclave in a quote, and the signature structure of its signer."""
