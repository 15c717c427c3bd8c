"""The letters: JSON that server and client both read and write.  Pure."""
