"""Member lists: columns by name, tabs, anonymous members, damaged files."""

from __future__ import annotations

import gzip
import io

import pytest

from tap_amplitude.api.cohort_csv import Member, MembershipError, members


def read(text: str | bytes) -> list[Member]:
    return list(members(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def test_columns_are_found_by_name_in_any_order() -> None:
    assert read('"plan","user_id","amplitude_id"\n"pro","zoë@example.com","42"\n') == [
        Member("42", 42, "zoë@example.com", {"plan": "pro"}, is_group=False)
    ]


def test_anonymous_members_have_no_user_id() -> None:
    assert read('"amplitude_id","user_id"\n"42","user-42"\n"43",""\n') == [
        Member("42", 42, "user-42", {}, is_group=False),
        Member("43", 43, None, {}, is_group=False),
    ]


def test_a_leading_tab_is_taken_off_headers_and_values() -> None:
    assert read("\tgroup_value\n\tacme-gmbh\n\tglobex\n") == [
        Member("acme-gmbh", None, "acme-gmbh", {}, is_group=True),
        Member("globex", None, "globex", {}, is_group=True),
    ]
    assert read("\tamplitude_id,\tuser_id,\tcity\n\t42,\tu,\tKöln\n") == [
        Member("42", 42, "u", {"city": "Köln"}, is_group=False)
    ]


def test_lines_without_any_id_are_not_members() -> None:
    assert read('"amplitude_id","user_id"\n"",""\n\n"1","a"\n') == [Member("1", 1, "a", {}, is_group=False)]


def test_quotes_line_ends_and_signatures_of_every_kind() -> None:
    text = '\ufeff"amplitude_id","user_id","note"\r\n"1","a, ""b""","two\nlines"\r\n'
    assert read(text) == [Member("1", 1, 'a, "b"', {"note": "two\nlines"}, is_group=False)]
    assert read(gzip.compress(text.encode())) == read(text)


def test_an_empty_cell_is_null() -> None:
    assert read("amplitude_id,user_id,plan\n1,a,\n") == [Member("1", 1, "a", {"plan": None}, is_group=False)]


def test_a_value_may_be_long() -> None:
    assert read(f"amplitude_id,user_id,plan\n1,a,{'x' * 500_000}\n")[0].properties["plan"] == "x" * 500_000


def test_a_list_may_be_empty() -> None:
    assert read('"amplitude_id","user_id"\n') == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html><body>error</body></html>",
        b'{"error":"expired"}',
        b"amplitude_id,user_id\nabc,u\n",
        b"amplitude_id,user_id\n1,\xff\xfe\n",
        b"amplitude_id,user_id\n" + b"9" * 5000 + b",u\n",
        b'"amplitude_id","user_id"\n"1","a"\n"2","b\n"3","c"\n"4","d"\n',
        b'"amplitude_id","user_id"\n"1","a"\n"2","b\n3,c\n4,d\n',
        b'amplitude_id,user_id\n1,"a\n2,b\n3,c"\n4,d\n',
        b"amplitude_id,user_id\n1,a\n2\n",
        b"amplitude_id,user_id\n1,a,b\n",
        gzip.compress(b"amplitude_id,user_id\n1,a\n", mtime=0)[:-8],
    ],
)
def test_what_is_not_a_list_is_refused(body: bytes) -> None:
    with pytest.raises(MembershipError):
        read(body)


def test_properties_never_shadow_ids() -> None:
    header = "amplitude_id,user_id,user_id,amplitude_id,plan\n"
    assert read(f"{header}1,a,other,7,pro\n") == [
        Member("1", 1, "a", {"user_id": "other", "amplitude_id": "7", "plan": "pro"}, is_group=False)
    ]


def test_members_without_an_amplitude_id_are_told_apart() -> None:
    found = read("amplitude_id,user_id\n1,a\n,1\n,b\n")
    assert [member.member_id for member in found] == ["1", "user_id:1", "user_id:b"]
