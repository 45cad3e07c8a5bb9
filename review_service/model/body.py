"""A body of an answer, decoded as it comes, of which so many bytes are taken and no more. Pure.

What is compressed counts both as it came and decoded: neither a long stream nor a short one that swells
takes more memory than the cap and one piece. Codings are those that are asked for (RFC 9110, section 8.4.1).
"""

import zlib

ACCEPTED_ENCODINGS = "gzip, deflate"
_PIECE_BYTES = 65_536
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_BARE_DEFLATE = -zlib.MAX_WBITS


class UndecodableBodyError(ValueError):
    """It is not encoded as it says, in a way that nobody asked for, or cut off inside."""


class BoundedBody:
    """Takes pieces until the body ends or the cap is reached; `encoding` is the answer's Content-Encoding.

    Raises:
        UndecodableBodyError: it is encoded in a way that nobody asked for.
    """

    __slots__ = ("_cap", "_decoded", "_inflater", "_is_encoded", "_received", "is_cut")

    def __init__(self, encoding: str, cap: int) -> None:
        coding = encoding.strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise UndecodableBodyError("encoded in a way that was not asked for")
        self._is_encoded = coding not in ("", "identity")
        self._inflater: zlib._Decompress | None = None
        self._cap = cap
        self._received = 0
        self._decoded = bytearray()
        self.is_cut = False

    def take(self, piece: bytes) -> bool:
        """Whether more is wanted: False, and `is_cut`, once more came than is taken.

        Raises:
            UndecodableBodyError: the piece is not encoded as it should be.
        """
        self._received += len(piece)
        if self._is_encoded:
            self._inflate(piece)
        else:
            self._decoded += piece
        self.is_cut = self._received > self._cap or len(self._decoded) > self._cap
        return not self.is_cut

    def whole(self) -> bytes:
        """What was taken, once it ended or was cut at the cap.

        Raises:
            UndecodableBodyError: the encoded body ended before its end.
        """
        if self._inflater is not None and not self._inflater.eof and not self.is_cut:
            raise UndecodableBodyError("cut off inside its encoding")
        return bytes(self._decoded[: self._cap])

    def so_far(self) -> bytes:
        """What was taken until now, complete or not."""
        return bytes(self._decoded[: self._cap])

    def _inflate(self, piece: bytes) -> None:
        """Decodes a piece, as far as the cap; what follows the encoded stream is nobody's."""
        if not piece:
            return
        if self._inflater is None:
            is_bare = piece[0] & 0x0F != 8 and piece[0] != 0x1F  # RFC 1950 and RFC 1952: how either begins
            self._inflater = zlib.decompressobj(_BARE_DEFLATE if is_bare else _GZIP_OR_ZLIB)
        try:
            while not self._inflater.eof and len(self._decoded) <= self._cap:
                decoded = self._inflater.decompress(piece, _PIECE_BYTES)
                self._decoded += decoded
                piece = self._inflater.unconsumed_tail
                if not piece and len(decoded) < _PIECE_BYTES:
                    return
        except zlib.error:
            raise UndecodableBodyError("not encoded as it says") from None
