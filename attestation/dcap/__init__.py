"""What SGX and TDX have in common: Intel's quote, its certificates, and the tables by which Intel judges a platform."""
