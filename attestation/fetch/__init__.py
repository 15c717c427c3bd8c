"""What vendors' services say about platforms, fetched into one bundle.  Only who asks for it touches the network."""
