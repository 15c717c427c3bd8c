"""Azure vTPM: a TPM quote, and the SEV-SNP report or TDX quote of the paravisor that vouches for its key."""
