"""What is personal goes, what is the story's or nobody's stays; again changes nothing; and no text takes long.

All persons and numbers are made up or set aside for examples: example.org, 555 numbers, Ofcom's numbers for drama, the documentation ranges of IP
addresses, the card networks' test numbers, the example IBANs of SWIFT's registry.
"""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.curate.personal_numbers import IBAN_LENGTH, luhn
from stages.curate.privacy import KINDS, PLACEHOLDER, Redactor, Story

CARD_TEXT = "Sherlock Holmes, the consulting detective of 221B Baker Street, London. He shares rooms with Dr. John Watson. His telephone is 020 7946 0999."
STORY = Story.of([CARD_TEXT, "Write to the Diogenes Club at 12 Pall Mall Road, or to club@diogenes.example."])
NOBODY = Redactor((), (), STORY)
ANNA = Redactor(("Anna-Marie Müller-Holt",), ("@night_owl", "anna1990", "12345678"), STORY)

PERSONAL = {
    "email": {
        "Write to jane@example.org.": "Write to [EMAIL].",
        "jane.doe+chat@mail.example.co.uk is mine": "[EMAIL] is mine",
        "<jane_doe-7@example.org>": "<[EMAIL]>",
        "mailto:jane@example.org?subject=x": "mailto:[EMAIL]?subject=x",
        "JANE@EXAMPLE.ORG, at once": "[EMAIL], at once",
        "jürgen@bücher.example": "[EMAIL]",
        "jane＠example．org": "[EMAIL]",
        "ja\u200bne@exam\u00adple.org": "[EMAIL]",
        "jane@example.org.2": "[EMAIL].2",
        "https://jane:pass@example.org/": "https://jane:[EMAIL]/",
    },
    "iban": {
        "GB82WEST12345698765432": "[IBAN]",
        "pay GB33 BUKB 2020 1555 5555 55 today": "pay [IBAN] today",
        "DE75 5121 0800 1245 1261 99.": "[IBAN].",
        "de75512108001245126199": "[IBAN]",
        "FR76 3000 6000 0112 3456 7890 189": "[IBAN]",
        "NL02ABNA0123456789": "[IBAN]",
        "CH56-0483-5012-3456-7800-9": "[IBAN]",
        "NO83 3000 1234 567": "[IBAN]",
        "MT31MALT01100000000000000000123": "[IBAN]",
    },
    "card": {
        "4111 1111 1111 1111": "[CARD]",
        "my card is 5555555555554444, and": "my card is [CARD], and",
        "3782-822463-10005": "[CARD]",
        "3056 930902 5904": "[CARD]",
        "4222222222222 (13 digits)": "[CARD] (13 digits)",
        "6011-1111-1111-1117.": "[CARD].",
        "4111 1111 1111 1111 12 29": "[CARD] 12 29",
        "no 7 4111 1111 1111 1111": "no 7 [CARD]",
        "４１１１ １１１１ １１１１ １１１１": "[CARD]",
        "٤١١١١١١١١١١١١١١١": "[CARD]",
    },
    "ip": {
        "ping 192.0.2.1": "ping [IP]",
        "http://198.51.100.7:8080/": "http://[IP]:8080/",
        "203.0.113.255.": "[IP].",
        "it was 203.0.113.9, I think": "it was [IP], I think",
        "2001:db8::1": "[IP]",
        "from 2001:0db8:85a3:0000:0000:8a2e:0370:7334.": "from [IP].",
        "http://[2001:db8::7]/": "http://[[IP]]/",
        "::ffff:192.0.2.128": "::ffff:[IP]",
        "fe80::1: up": "[IP]: up",
        "١٩٢.٠.٢.١": "[IP]",
    },
    "address": {
        "I live at 12 High Street.": "I live at [ADDRESS].",
        "Flat 3, 12b Elm Rd": "[ADDRESS]",
        "come to 7 St James's Square": "come to [ADDRESS]",
        "350 5th Avenue, New York, NY 10118": "[ADDRESS]",
        "1600 Pennsylvania Avenue": "[ADDRESS]",
        "44 Old Mill Lane, York YO1 7HH": "[ADDRESS]",
        "i live at 12 high street, second floor": "i live at [ADDRESS], second floor",
        "12-14 BAKER STREET": "[ADDRESS]",
        "Apt. 5 99 Maple Drive": "[ADDRESS]",
        "123 Main St., Springfield, IL 62701": "[ADDRESS]",
        "5 Baker Street": "[ADDRESS]",
        "Hauptstraße 5": "[ADDRESS]",
        "in der Hauptstrasse 12a, 10115 Berlin": "in der [ADDRESS]",
        "Karl-Marx-Straße 12": "[ADDRESS]",
        "Berliner Allee 7": "[ADDRESS]",
        "hauptstr. 5": "[ADDRESS]",
        "Kurfürstendamm 195": "[ADDRESS]",
        "Keizersgracht 123": "[ADDRESS]",
        "5 rue de la Paix": "[ADDRESS]",
        "j'habite 12 bis, avenue Victor Hugo": "j'habite [ADDRESS]",
        "3 place Vendôme, Paris": "[ADDRESS], Paris",
        "Calle Mayor 5": "[ADDRESS]",
        "Via Garibaldi, 12": "[ADDRESS]",
        "PO Box 123": "[ADDRESS]",
        "１２ High Street": "[ADDRESS]",
    },
    "phone": {
        "call +44 20 7946 0018 now": "call [PHONE] now",
        "+44 (0)20 7946 0018": "[PHONE]",
        "(+44) 20 7946 0018": "[PHONE]",
        "00 is no code but 0044 20 7946 0018 is": "00 is no code but [PHONE] is",
        "+442079460018.": "[PHONE].",
        "+44 20 7946 0018 1895": "[PHONE] 1895",
        "020 7946 0018": "[PHONE]",
        "(020) 7946 0018": "[PHONE]",
        "07700 900123": "[PHONE]",
        "07700900123": "[PHONE]",
        "0171-9460018": "[PHONE]",
        "030/123456": "[PHONE]",
        "06 12 34 56 78": "[PHONE]",
        "06.12.34.56.78": "[PHONE]",
        "(212) 555-0142": "[PHONE]",
        "212-555-0142": "[PHONE]",
        "212.555.0142": "[PHONE]",
        "1-212-555-0142": "[PHONE]",
        "555-123-4567": "[PHONE]",
        "my cell is 2125550142": "my cell is [PHONE]",
        "333 1234567": "[PHONE]",
        "612-345-678": "[PHONE]",
        "(11) 2345-6789": "[PHONE]",
        "Tel: 612 345 678": "Tel: [PHONE]",
        "phone number: 22 33 44 55": "phone number: [PHONE]",
        "my number is 98765 43210": "my number is [PHONE]",
        "on 01.02.1999 020 7946 0018": "on 01.02.1999 [PHONE]",
        "０２０\u00a07946\u20110018": "[PHONE]",
        "٠٢٠ ٧٩٤٦ ٠٠١٨": "[PHONE]",
        "020\u200b 7946\u200b 0018": "[PHONE]",
    },
    "handle": {
        "ask @jane_doe": "ask [HANDLE]",
        "I am u/jo_blog there": "I am [HANDLE] there",
        "add me, jo#1234!": "add me, [HANDLE]!",
        "t.me/joblog or facebook.com/jo.blog.": "[HANDLE] or [HANDLE].",
        "@jane.doe.": "[HANDLE].",
        "(@x)": "([HANDLE])",
        "https://social.example/@jane": "https://social.example/[HANDLE]",
        "I am night_owl": "I am [HANDLE]",
        "NIGHT_OWL's chat": "[HANDLE]'s chat",
        "user 12345678 here": "user [HANDLE] here",
    },
    "name": {
        "I am Anna-Marie Müller-Holt.": "I am [NAME].",
        "I am anna-marie müller-holt.": "I am [NAME].",
        "ANNA, come": "[NAME], come",
        "Anna's and Müller’s": "[NAME]'s and [NAME]’s",
        "Marie Mu\u0308ller": "[NAME] [NAME]",
        "Frau Muller": "Frau [NAME]",
        "Frau MUELLER": "Frau [NAME]",
        "An\u200bna": "[NAME]",
        "Müller-Holt, Anna-Marie": "[NAME], [NAME]",
    },
}

NOBODYS = [
    # years, dates, times
    "In 1895 there were two cases.",
    "from 1890-1891 to 1894",
    "1891 1892 1893 1894",
    "on 12.03.1895 and 01/02/2024",
    "2024-01-15 08:30",
    "2024-01-15T12:30:45Z",
    "01 02 2024",
    "12:30:45 or 12:30",
    "08.30 09.45 10.15",
    "the 9.15 from Paddington",
    "4 March 1881",
    "@5pm or @ noon",
    "1718000000000 ms",
    # prices and amounts
    "12,500,000 pounds",
    "12.500.000 Euro",
    "$ 212 555 0142",
    "£1,000",
    "1 000 000 000",
    "10 000 000 people own a telephone",
    "phones: 12 000 000 sold",
    "3.14159265358979",
    "0.123456789",
    "100 000 5000",
    # counts, lists, games
    "1 2 3 4 5 6 7 8 9 10",
    "01 02 03 04 05",
    "2 3 5 7 11 13 17 19 23",
    "16 25 36 49 64 81",
    "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6",
    "I hold 10 9 8 7 of hearts and 52 cards",
    "21-14 21-19 and 1-0",
    "22 33 44 55",
    "555-0142",
    "Psalm 119:105",
    # numbers that are something else
    "ISBN 978-0-306-40615-7",
    "ISBN 9780306406157",
    "ISBN 0-306-40615-2",
    "4111 1111 1111 1112",
    "2001 2002 2003 2004 2005",
    "GB82 WEST 1234 5698 7654 33",
    "XX82WEST12345698765432",
    "DE75 5121 9811 1245 1262",
    "version 1.2.3",
    "v1.2.3.4",
    "version 1.2.3.4",
    "256.1.1.1 and 1.2.3.4.5",
    "std::vector<int> a::b",
    "x[::2] and y[1::2]",
    "00:1B:44:11:3A:B7",
    "ratio 1:2:3",
    "51.5237, -0.1585",
    "order A0207946001",
    # streets without a number, numbers without a street
    "221B Baker Street",
    "at 221b, baker street, London",
    "12 Pall Mall Road",
    "Baker Street",
    "the 42nd Street and 5th Avenue",
    "In 1895 Baker Street was dark.",
    "Chapter 3 Long Road",
    "I saw 3 men in the street",
    "a 20 minute drive",
    "a 2 lane road and a 1 way street",
    "12 houses down the lane",
    "ring 5 times and bring 3 friends",
    "Spring 2020",
    "Käufer 5",
    "2 route options",
    "5 square meters",
    "the phone in 1895 was new",
    # the story's own
    "020 7946 0999",
    "club@diogenes.example",
    "Sherlock Holmes and John Watson",
    # no address and no handle
    "me@home, 3@2",
    "a @ b",
    "jane at example dot org",
    "jane@localhost",
    "Annabel met the Mariens and Mr Holtby",
    "An owl at night_owls",
]
FLAT = [(kind, text, expected) for kind, table in PERSONAL.items() for text, expected in table.items()]


def test_the_tables_are_as_large_as_they_must_be() -> None:
    assert len(FLAT) >= 60 and len(NOBODYS) >= 60 and set(PERSONAL) == set(KINDS)


@pytest.mark.parametrize(("kind", "text", "expected"), FLAT)
def test_personal_data_becomes_a_placeholder_of_its_kind_and_is_counted(kind: str, text: str, expected: str) -> None:
    redacted, counts = ANNA.redact(text)
    assert redacted == expected
    assert counts == {kind: expected.count(f"[{kind.upper()}]")}


@pytest.mark.parametrize("text", NOBODYS)
def test_what_is_nobodys_or_the_storys_stays_as_it_was(text: str) -> None:
    assert ANNA.redact(text) == (text, Counter())


def test_several_kinds_in_one_text_are_each_counted() -> None:
    text = "I am Anna of 12 High Street (jane@example.org, 020 7946 0018 or 07700 900123), @owl."
    assert ANNA.redact(text) == (
        "I am [NAME] of [ADDRESS] ([EMAIL], [PHONE] or [PHONE]), [HANDLE].",
        {"name": 1, "address": 1, "email": 1, "phone": 2, "handle": 1},
    )


def test_a_user_with_the_characters_own_name_keeps_what_is_the_characters() -> None:
    john = Redactor(("John Smithers",), (), STORY)
    assert john.redact("I am John Smithers, and my doctor is John Watson. Smithers!")[0] == "I am [NAME], and my doctor is John Watson. [NAME]!"
    assert Redactor(("Sherlock Holmes",), (), STORY).redact("Sherlock Holmes, I presume? HOLMES!") == ("Sherlock Holmes, I presume? HOLMES!", Counter())


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Will", "Will you come? I will."),
        ("Grace", "by the grace of God"),
        ("Jo", "a joke"),
        ("J", "J. said that I"),
        ("Dr. May Old", "In May, doctor, an old man"),
        ("", "nobody"),
        ("42", "42 is an answer"),
    ],
)
def test_a_name_that_is_an_everyday_word_or_a_single_letter_spoils_no_text(name: str, text: str) -> None:
    assert Redactor((name,), (name,), STORY).redact(text) == (text, Counter())


def test_a_full_name_of_everyday_words_and_a_short_one_are_found() -> None:
    assert Redactor(("Will Young",), (), STORY).redact("I, Will Young, will stay young.")[0] == "I, [NAME], will stay young."
    assert Redactor(("Jo",), (), STORY).redact("Jo's joke")[0] == "[NAME]'s joke"


def test_a_name_in_a_script_without_spaces_is_found_within_the_sentence() -> None:
    assert Redactor(("王小明",), (), STORY).redact("我叫王小明。")[0] == "我叫[NAME]。"


def test_a_handle_that_is_also_the_name_becomes_a_name() -> None:
    assert Redactor(("Anna Holt",), ("anna",), STORY).redact("anna here")[0] == "[NAME] here"


def test_placeholders_are_left_alone_and_not_counted_even_where_the_user_is_called_so() -> None:
    text = "[EMAIL] [PHONE] [NAME]'s [ADDRESS], email"
    assert Redactor(("Phone Name",), ("email",), STORY).redact(text) == ("[EMAIL] [PHONE] [NAME]'s [ADDRESS], [HANDLE]", {"handle": 1})


def test_without_a_find_the_text_comes_back_as_it_was_even_where_unicode_has_two_forms() -> None:
    text = "Cafe\u0301 \u200b№ 5 ½ ﬁ"
    assert ANNA.redact(text) == (text, Counter())


def test_the_story_is_compared_without_case_and_punctuation_but_by_whole_words() -> None:
    assert STORY.holds("221b, BAKER street") and STORY.holds("John")
    assert not STORY.holds("1B Baker Street") and not STORY.holds("Sher")
    assert not Story.of(["12 High", "Street"]).holds("High Street")


def test_the_check_digits_of_cards_and_the_lengths_of_ibans_are_the_published_ones() -> None:
    assert luhn("79927398713") and not luhn("79927398710")
    assert (IBAN_LENGTH["GB"], IBAN_LENGTH["NO"], IBAN_LENGTH["MT"], IBAN_LENGTH["FR"], IBAN_LENGTH["DE"]) == (22, 15, 31, 27, 22)


SHARDS = st.sampled_from(
    [text for _, text, _ in FLAT]
    + NOBODYS
    + [f"[{kind.upper()}]" for kind in KINDS]
    + [
        "Anna",
        "Müller",
        "night_owl",
        "@",
        "+",
        "(",
        ")",
        "-",
        ".",
        " ",
        ",",
        ":",
        "[",
        "]",
        "0",
        "00",
        "12",
        "555",
        "0142",
        "4111",
        "High ",
        "Street",
        "\u200b",
        "\n",
    ]
)


@settings(max_examples=400, deadline=None)
@given(st.lists(SHARDS | st.text(alphabet="01259abAB@.:-+() /,[]", max_size=12) | st.text(max_size=4), max_size=8).map("".join))
def test_redacting_again_changes_nothing(text: str) -> None:
    once, counts = ANNA.redact(text)
    assert ANNA.redact(once) == (once, Counter())
    assert len(PLACEHOLDER.findall(once)) >= counts.total()
    assert (once == text) == (not counts)
