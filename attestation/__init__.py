"""Is this hardware, and this software, what it says?  Knows RATS (RFC 9334), nothing of manifests.

Evidence -> `verify` with Endorsements and trust anchors -> `Attested` Claims -> `appraise` against
Reference Values -> a `Verdict` that names each check, what was expected, what was found and who asked for it.
"""
