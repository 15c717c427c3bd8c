"""The mint: values of the manifest's secrets, and a marble's parameters made of them."""
