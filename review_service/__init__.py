"""The review service: ideas in, streamed reviews and decisions out; it keeps nothing itself."""

VERSION = "0.1.0"
