"""AMD SEV-SNP: an attestation report, its chip key, and the patch level that the key stands for."""
