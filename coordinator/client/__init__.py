"""The visitor: a relying party that verifies a coordinator before it talks to it, and every call that it makes then."""
