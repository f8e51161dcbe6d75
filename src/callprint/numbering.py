"""Numbering plans of countries and regions, by the metadata of the library phonenumbers.

It stays outside the core and is imported for those who need it: that takes 0.1 s.
"""

from collections.abc import Callable
from functools import lru_cache

from callprint.core.ground.errors import ConfigError
from callprint.core.signalling.identity import NumberingPlan

KEPT = 65_536
"""Most numbers whose answer is remembered: an answer takes some 40 microseconds, a remembered one less than one."""


def numbering_plan(country_code: str, region: str = "") -> NumberingPlan:
    """Return how numbers are dialled in a country, such as "49", or in a region (ISO 3166), such as "DE".

    A region says more: its international and trunk prefixes, and whose numbers are valid where several regions share a
    country code. Raises ConfigError when one of the two does not exist, or when they contradict each other.
    """
    if not region:
        return NumberingPlan(country_code, complete=_completion(country_code))
    import phonenumbers  # noqa: PLC0415 - 0.1 s, only for those who need it

    region = region.upper()
    code = phonenumbers.country_code_for_region(region)
    if code == 0:
        raise ConfigError(f"there is no region {region!r}: give two letters of ISO 3166, such as DE")
    if country_code and country_code != str(code):
        raise ConfigError(f"the country code of region {region} is {code}, not {country_code!r}")
    return NumberingPlan(read=_reading(region))


def _reading(region: str) -> Callable[[str], str]:
    """Return what reads digits as they are dialled in a region; it returns "+" and E.164 digits, or "".

    What is dialled with a prefix must have the length of a number; anything else must be a valid number, and
    is a local one or an extension where national numbers have a trunk prefix.
    """
    import phonenumbers  # noqa: PLC0415 - as above
    from phonenumbers import CountryCodeSource, ValidationResult  # noqa: PLC0415

    prefix = _trunk_prefix(region)

    @lru_cache(maxsize=KEPT)
    def read(digits: str) -> str:
        try:
            number = phonenumbers.parse(digits, region, keep_raw_input=True)
        except phonenumbers.NumberParseException:
            return ""
        source = number.country_code_source
        if source == CountryCodeSource.FROM_DEFAULT_COUNTRY and prefix and not digits.startswith(prefix):
            return ""
        if source == CountryCodeSource.FROM_NUMBER_WITH_IDD or (prefix and digits.startswith(prefix)):
            taken = phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE
        else:
            taken = phonenumbers.is_valid_number(number)
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)) if taken else ""

    return read


def _trunk_prefix(region: str | None) -> str:
    """Return what stands before a national number; "" where nothing does, or only the country code."""
    import phonenumbers  # noqa: PLC0415 - as above

    metadata = phonenumbers.PhoneMetadata.metadata_for_region(region)
    if metadata is None or not metadata.national_prefix:
        return ""
    # In North America, "1" is both.
    return "" if metadata.national_prefix == str(metadata.country_code) else str(metadata.national_prefix)


def _completion(country_code: str) -> Callable[[str], str] | None:
    """Return what completes the digits of a national number of this country; None without a country.

    It returns "+" and E.164 digits, or "" for what is no valid number, and for every number in a country with
    a trunk prefix: there, a number dialled without it is a local one or an extension.
    """
    if not (country_code.isascii() and country_code.isdigit()):
        return None
    code = int(country_code)

    @lru_cache(maxsize=KEPT)
    def complete(digits: str) -> str:
        import phonenumbers  # noqa: PLC0415 - as above

        region = phonenumbers.region_code_for_country_code(code)
        if _trunk_prefix(region):
            return ""
        try:
            number = phonenumbers.parse(digits, region)
        except phonenumbers.NumberParseException:
            return ""
        if number.country_code != code or not phonenumbers.is_valid_number(number):
            return ""
        return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))

    return complete
