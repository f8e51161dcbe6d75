"""Who calls whom: one text for each person, however the number is written, or a pseudonym for it.

A telephone number becomes "+" and its E.164 digits (ITU-T E.164, at most 15); anything else stays
`user@host`, because the same user name at two hosts is two people. With a key, the normalised text is
replaced by a keyed HMAC (RFC 2104, SHA-256, 128 bits) before anything else sees it: the calls of a caller still
belong together, the number cannot be recovered, and another key gives other pseudonyms.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256

from callprint.core.call import ANONYMOUS_CALLER
from callprint.core.ground.errors import ConfigError
from callprint.core.signalling.address import Uri, address_or_none
from callprint.core.signalling.diversion import diverter
from callprint.core.signalling.sip import SipMessage
from callprint.core.signalling.text import printable

PSEUDONYM_PREFIX = "p:"
MINIMUM_KEY = 16
"""Shortest pseudonym key, bytes."""
ATTESTATIONS = ("A", "B", "C")
MISSING, INVALID = "missing", "invalid"

_SEPARATORS = re.compile(r"[\s.\-()/]")
_DIGITS = re.compile(r"\+?[0-9]{1,20}", re.ASCII)
_E164_DIGITS = range(7, 16)  # with fewer it is an extension or an emergency number, with more not E.164


@dataclass(frozen=True, slots=True)
class NumberingPlan:
    """How numbers are dialled where the capture was made.

    Without a country code or `read`, only numbers with "+" or the international prefix are telephone numbers.
    """

    country_code: str = ""  # digits, for example "49"
    international_prefix: str = "00"
    trunk_prefix: str = "0"  # stands before a national number; "" where there is none
    complete: Callable[[str], str] | None = (
        None  # digits to "+" and E.164 digits, or ""; for what is left over
    )
    read: Callable[[str], str] | None = None  # the same for all digits without "+", in place of the above

    def __post_init__(self) -> None:
        """Raise ConfigError when a prefix is not made of digits."""
        for name in ("country_code", "international_prefix", "trunk_prefix"):
            value = getattr(self, name)
            if value and not (value.isascii() and value.isdigit()):
                raise ConfigError(f"the {name.replace('_', ' ')} must be digits, not {value!r}")

    def e164(self, text: str) -> str:
        """Return "+" and the E.164 digits of a dialled number, or "" when it is not one."""
        digits = _SEPARATORS.sub("", text)
        if not _DIGITS.fullmatch(digits):
            return ""
        if digits.startswith("+"):
            number = digits[1:]
        elif self.read is not None:
            number = self.read(digits).removeprefix("+")
        elif self.international_prefix and digits.startswith(self.international_prefix):
            number = digits[len(self.international_prefix) :]
        elif not self.country_code:
            return ""
        elif self.trunk_prefix and digits.startswith(self.trunk_prefix):
            number = self.country_code + digits[len(self.trunk_prefix) :]
        elif digits.startswith(self.country_code) and len(digits) > 10:
            number = digits
        elif not self.trunk_prefix:
            number = self.country_code + digits
        else:
            return self.complete(digits) if self.complete is not None else ""
        return f"+{number}" if len(number) in _E164_DIGITS and number[0] != "0" else ""


@dataclass(frozen=True, slots=True)
class Identity:
    """One party of a call."""

    text: str  # "+" and digits, user@host, or a pseudonym
    number: int  # the E.164 digits as a number; -1: not a number, or pseudonymised


ANONYMOUS = Identity(ANONYMOUS_CALLER, -1)
"""Everybody who asks for privacy (RFC 3323): many people, so they have no history and no pseudonym."""
_NOBODY = ("anonymous.invalid", "unknown.invalid")
"""Hosts of callers whose number is hidden (RFC 3323 4.1.1.3), or not known (3GPP TS 23.003 13.7)."""


class IdentityReader:
    """Turns addresses into identities by a numbering plan and, if one is given, a pseudonym key.

    Raises ConfigError when the key is shorter than MINIMUM_KEY bytes.
    """

    def __init__(self, plan: NumberingPlan | None = None, pseudonym_key: bytes | None = None) -> None:
        if pseudonym_key is not None and len(pseudonym_key) < MINIMUM_KEY:
            raise ConfigError(f"pseudonym key: at least {MINIMUM_KEY} bytes, not {len(pseudonym_key)}")
        self._plan = plan or NumberingPlan()
        self._key = pseudonym_key

    def of_uri(self, uri: Uri) -> Identity:
        """Return the identity that a URI names."""
        number = self._plan.e164(uri.user)
        if number:
            text = number
        elif uri.scheme == "tel":
            number_alone = _SEPARATORS.sub("", uri.user)
            text = f"{number_alone}@{uri.host}" if uri.host else number_alone
        elif uri.scheme in ("sip", "sips"):
            text = f"{uri.user}@{uri.host}" if uri.user else uri.host
        else:
            text = f"{uri.scheme}:{uri.user}"
        if uri.user.lower() == "anonymous" or uri.host in _NOBODY:
            return ANONYMOUS
        return self._dress(text, int(number[1:]) if number else -1)

    def of_text(self, text: str) -> Identity:
        """Return the identity that a person typed: a number, user@host, or a pseudonym as it stands."""
        text = text.strip()
        if text.startswith(PSEUDONYM_PREFIX):
            return Identity(text, -1)
        number = self._plan.e164(text)
        if number:
            return self._dress(number, int(number[1:]))
        user, at, host = text.removeprefix("sips:").removeprefix("sip:").rpartition("@")
        return self._dress(f"{user}@{host.lower()}" if at else text, -1)

    def caller(self, message: SipMessage) -> Identity:
        """Return who calls: P-Asserted-Identity (RFC 3325) where the network asserts one, else From.

        An asserted identity that does not parse is passed over.
        """
        for value in message.values("p-asserted-identity"):
            asserted = address_or_none(value)
            if asserted is not None:
                return self.of_uri(asserted.uri)
        return self.of_uri(message.from_.uri)

    def claimed(self, message: SipMessage, caller: Identity) -> Identity | None:
        """Return who From says is calling, where that is not `caller`, whom the network asserts; else None."""
        if "p-asserted-identity" not in message.first:
            return None  # the caller is whom From names
        claimed = self.of_uri(message.from_.uri)
        return claimed if claimed != caller else None

    def diverter(self, message: SipMessage) -> Identity | None:
        """Return who forwarded the call last, None when nobody says so."""
        uri = diverter(message)
        return self.of_uri(uri) if uri is not None else None

    def callee(self, message: SipMessage) -> Identity:
        """Return who is called: To, which stays as the caller wrote it through redirection and forking."""
        return self.of_uri(message.to.uri)

    def _dress(self, text: str, number: int) -> Identity:
        if self._key is None:
            return Identity(printable(text), number)
        digest = hmac.new(self._key, text.encode("utf-8", "backslashreplace"), sha256).hexdigest()[:32]
        return Identity(PSEUDONYM_PREFIX + digest, -1)


def attestation(message: SipMessage) -> str:
    """Return the STIR/SHAKEN attestation (RFC 8588 4) that Identity (RFC 8224) claims: A, B or C.

    MISSING when no Identity header has one, INVALID when it cannot be read. The signature is NOT verified: the
    category is evidence, never proof.
    """
    found = MISSING
    for value in message.values("identity"):
        token = value.partition(";")[0].strip()
        try:
            payload = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==="))
            level = payload["attest"] if isinstance(payload, dict) else ""
        except KeyError:
            continue  # a PASSporT of another kind, such as "div" (RFC 8946)
        except (ValueError, IndexError, RecursionError):
            found = INVALID
            continue
        if level in ATTESTATIONS:
            return str(level)
        found = INVALID
    return found
