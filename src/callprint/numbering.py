"""National numbers of countries whose numbers have no trunk prefix, by the metadata of the library phonenumbers.

It stays outside the core and is imported at the first number that needs it: that takes 0.1 s.
"""

from collections.abc import Callable
from functools import lru_cache

KEPT = 65_536
"""Most numbers whose answer is remembered: an answer takes some 40 microseconds, a remembered one less than one."""


def completion(country_code: str) -> Callable[[str], str] | None:
    """Return what completes the digits of a national number of this country; None without a country.

    It returns "+" and E.164 digits, or "" for what is no valid number, and for every number in a country with
    a trunk prefix: there, a number dialled without it is a local one or an extension.
    """
    if not (country_code.isascii() and country_code.isdigit()):
        return None
    code = int(country_code)

    @lru_cache(maxsize=KEPT)
    def complete(digits: str) -> str:
        import phonenumbers  # noqa: PLC0415 - 0.1 s, only for those who need it

        region = phonenumbers.region_code_for_country_code(code)
        metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
        prefix = metadata.national_prefix if metadata is not None else None
        if prefix and prefix != country_code:  # in North America, "1" is both
            return ""
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            return ""
        if number.country_code != code or not phonenumbers.is_valid_number(number):
            return ""
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    return complete
