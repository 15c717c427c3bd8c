from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

DESCRIPTOR: FileDescriptor

class ChallengeReq(Message):
    def __init__(self) -> None: ...

class ChallengeResp(Message):
    Nonce: bytes
    Root: bytes
    def __init__(self, *, Nonce: bytes = ..., Root: bytes = ...) -> None: ...

class JoinReq(Message):
    Nonce: bytes
    Evidence: bytes
    CSR: bytes
    SealingKey: bytes
    MarbleType: str
    UUID: str
    def __init__(
        self,
        *,
        Nonce: bytes = ...,
        Evidence: bytes = ...,
        CSR: bytes = ...,
        SealingKey: bytes = ...,
        MarbleType: str = ...,
        UUID: str = ...,
    ) -> None: ...

class JoinResp(Message):
    Sealed: bytes
    def __init__(self, *, Sealed: bytes = ...) -> None: ...
