"""AWS Nitro Enclaves: a signed document with PCRs, and the short-lived certificate that signed it."""
