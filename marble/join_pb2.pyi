from collections.abc import Sequence

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

class Renewable(Message):
    Files: Sequence[str]
    Signal: str
    def __init__(self, *, Files: Sequence[str] = ..., Signal: str = ...) -> None: ...

_Renewable = Renewable

class JoinResp(Message):
    Sealed: bytes
    Renewable: _Renewable
    def __init__(self, *, Sealed: bytes = ..., Renewable: _Renewable | None = ...) -> None: ...

class RenewReq(Message):
    Nonce: bytes
    Evidence: bytes
    SealingKey: bytes
    Intermediate: bytes
    def __init__(
        self, *, Nonce: bytes = ..., Evidence: bytes = ..., SealingKey: bytes = ..., Intermediate: bytes = ...
    ) -> None: ...
