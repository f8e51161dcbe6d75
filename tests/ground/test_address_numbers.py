"""An address as text and as two numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callprint.core.ground.addresses import address_numbers, address_text


@given(st.ip_addresses().filter(lambda ip: ip.version == 4 or ip.ipv4_mapped is None))
def test_there_and_back(address):
    assert address_text(*address_numbers(str(address))) == str(address)


@pytest.mark.parametrize("text", ["", "host.example", "1.2.3", "::g"])
def test_what_is_no_address_is_no_host(text):
    assert address_numbers(text) == (0, 0)
