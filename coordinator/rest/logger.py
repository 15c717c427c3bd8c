"""Which of aiohttp's words reach our log: mistakes of ours.  A stranger's broken request is no line of it."""

import logging

from aiohttp.http import HttpProcessingError


def server_logger() -> logging.Logger:
    """For `AppRunner(logger=…)`.  aiohttp quotes the bytes that it refuses; they are not ours to keep."""
    logger = logging.getLogger("coordinator.rest")
    logger.addFilter(_is_ours)
    return logger


def _is_ours(record: logging.LogRecord) -> bool:
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))
