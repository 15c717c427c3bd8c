from collections.abc import Iterable, Mapping, MutableMapping, MutableSequence

from google.protobuf.descriptor import FileDescriptor
from google.protobuf.message import Message

DESCRIPTOR: FileDescriptor

class ActivationReq(Message):
    Quote: bytes
    CSR: bytes
    MarbleType: str
    UUID: str
    def __init__(self, *, Quote: bytes = ..., CSR: bytes = ..., MarbleType: str = ..., UUID: str = ...) -> None: ...

class Parameters(Message):
    @property
    def Files(self) -> MutableMapping[str, bytes]: ...
    @property
    def Env(self) -> MutableMapping[str, bytes]: ...
    @property
    def Argv(self) -> MutableSequence[str]: ...
    def __init__(
        self, *, Files: Mapping[str, bytes] = ..., Env: Mapping[str, bytes] = ..., Argv: Iterable[str] = ...
    ) -> None: ...

_Parameters = Parameters

class ActivationResp(Message):
    @property
    def Parameters(self) -> _Parameters: ...
    def __init__(self, *, Parameters: _Parameters = ...) -> None: ...
