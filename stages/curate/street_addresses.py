"""Street addresses that have a house number: English, German and Dutch, French, and those of southern Europe that begin with the word for street.

Every function takes folded text (stages/curate/privacy.py) and yields (start, end).
"""

from __future__ import annotations

import re

from stages.curate.spans import Spans, spans

# English: the number first, then one to four names, then one of these.
STREETS = (
    "street road avenue lane drive close court place way terrace crescent square grove gardens mews hill row park walk rise view green parade "
    "boulevard highway parkway alley circle trail quay wharf yard circus embankment esplanade st rd ave av ln dr ct pl ter cres sq blvd hwy pkwy"
).split()
# Where the whole is in small letters, only these: "20 minute drive", "2 tennis court" are no addresses.
STREETS_IN_SMALL_LETTERS = "street st road rd avenue ave lane".split()
# What no street is named: "3 men in the street", "2 way street", "4 lane road".
NOT_A_NAME = (
    "the a an in on of to at from by for with and or per down up off along across over through into onto near my your his her our their this that "
    "these those every each any other more many some no few lane way mile miles metre metres meter meters yard foot feet km minute minutes hour "
    "hours day days week weeks month months year years man men woman women people child children car cars cab cabs house houses shop shops"
).split()
# "Chapter 3 Long Road" and "Platform 9 Kings Road": the number belongs to the word before it.
NUMBERED_BEFORE = re.compile(r"(?i)(?<![^\W_])(?:chapter|book|part|volume|vol|page|act|scene|episode|season|level|platform|gate|track)\.? $")
# "In 1895 Baker Street was dark": a year.
YEAR_BEFORE = re.compile(r"(?i)(?<![^\W_])(?:in|since|from|until|till|by|of|during|year|after|before|about|around|[a-z]{3,9} [0-9]{1,2},) $")
YEAR = re.compile(r"(?:1[0-9]|20)[0-9]{2}(?![0-9])")

FLAT_BEFORE = re.compile(r"(?i)(?<!\w)(?:flat|apartment|apt\.?|unit|suite|room) ?#?[0-9A-Z]{1,4}(?:, ?| )$")
# Its first digit comes before the look-behind: the search can then pass over all that is no digit.
NUMBER_FIRST = r"[0-9](?<![\w.,:/$£€#-][0-9])"
NAME = (
    "the a an in on of to at from by for with and or per down up off along across over through into onto near my your his her our their this that "
    "these those every each any other more many some no few lane way mile miles metre metres meter meters yard foot feet km minute minutes hour "
    "hours day days week weeks month months year years man men woman women people child children car cars cab cabs house houses shop shops"
).split()
# "Chapter 3 Long Road" and "Platform 9 Kings Road": the number belongs to the word before it.
NUMBERED_BEFORE = re.compile(r"(?i)(?<![^\W_])(?:chapter|book|part|volume|vol|page|act|scene|episode|season|level|platform|gate|track)\.? $")
# "In 1895 Baker Street was dark": a year.
YEAR_BEFORE = re.compile(r"(?i)(?<![^\W_])(?:in|since|from|until|till|by|of|during|year|after|before|about|around|[a-z]{3,9} [0-9]{1,2},) $")
YEAR = re.compile(r"(?:1[0-9]|20)[0-9]{2}(?![0-9])")

FLAT = r"(?:(?i:flat|apartment|apt\.?|unit|suite|room) ?#?[0-9A-Za-z]{1,4}(?:, ?| ))?"
LETTER, CAPITAL = r"[^\W\d_]", r"[^\W\d_a-z]"
NO_NAME = rf"(?!(?i:{'|'.join(NOT_A_NAME)})[ ,])"
NAME = rf"(?:(?={CAPITAL}){NO_NAME}{CAPITAL}[\w'’.-]{{0,30}}|[0-9]{{1,3}}(?:st|nd|rd|th))"
SMALL_NAME = rf"(?={LETTER}){NO_NAME}{LETTER}[\w'’.-]{{1,30}}"
# What makes it exacter still, where it follows: town and postcode, British, American or continental.
TOWN = (
    r"(?:,? (?:[^\W\d_a-z][\w'.-]{1,30},? ){0,3}"
    r"(?:[A-Z]{1,2}[0-9][A-Z0-9]? ?[0-9][A-Z]{2}|(?:[A-Z]{2} )?[0-9]{5}(?:-[0-9]{4})?(?: [^\W\d_a-z]\w{1,30})?)(?!\w))?"
)
ENGLISH = re.compile(
    rf"{NUMBER_FIRST}[0-9]{{0,4}}[A-Za-z]?(?:[-/][0-9]{{1,4}}[A-Za-z]?)?,? (?:"
    rf"(?:{NAME} ){{1,4}}(?i:{'|'.join(STREETS)})|(?:{SMALL_NAME} ){{1,2}}(?:{'|'.join(STREETS_IN_SMALL_LETTERS)})"
    rf")(?!\w)(?:\.(?=,))?{TOWN}"
)
BOX = re.compile(r"(?i)(?<!\w)(?:p\.? ?o\.? box|postfach) [0-9]{1,6}(?!\w)")

# German and Dutch: the number last. A compound word, with a capital where it is not the word for street itself ("hinweg 5"; "Käufer 5" is a buyer),
# or the name of the street before it as a word of its own.
BEFORE = rf"(?:(?:{LETTER}{{1,30}}-){{1,3}}{LETTER}{{0,30}}?|{LETTER}{{2,30}}?)"
STREET = r"(?i:stra(?:ß|ss)e|str\.?|straat)"
OTHER = r"(?i:allee|platz|weg|gasse|chaussee|damm|(?<!ä)ufer|laan|gracht|plein)"
GERMAN = re.compile(
    rf"(?<![\w-])(?:{BEFORE}{STREET}|(?={CAPITAL}){BEFORE}{OTHER}|(?:{CAPITAL}{LETTER}{{1,30}} ){{1,2}}(?:{STREET}|{OTHER}))"
    rf" ?[0-9]{{1,4}}(?: ?[A-Za-z](?!\w))?(?:[-/][0-9]{{1,4}})?(?!\w){TOWN}"
)

# French: the number, the word for street, what joins, the name. Words that are English too need a joining word or a capital after them.
JOINED = r"(?:de la |de l'|de l’|des |du |de |d'|d’)"
FRENCH = re.compile(
    rf"{NUMBER_FIRST}[0-9]{{0,3}}(?: ?(?i:bis|ter|quater))?,? (?:"
    rf"(?i:rue|boulevard|impasse|chemin|quai|all[ée]e|ruelle|faubourg|bd|bld) (?:{JOINED}|la |le |les )?[^\W\d_][\w'’-]{{1,30}}"
    rf"|(?i:avenue|av\.?|place|square|passage|route|cours) (?:{JOINED}[^\W\d_]|[^\W\d_a-z])[\w'’-]{{1,30}}"
    rf")(?: (?:{JOINED})?[^\W\d_a-z][\w'’-]{{1,30}}){{0,3}}{TOWN}"
)

# Spanish, Italian, Portuguese, Polish: the word for street, the name, the number. In small letters "via Paris 2024" is no address.
JOINING = "(?:de la|de los|de|del|della|dei|da|do|dos|e|y)"
SOUTHERN = re.compile(
    r"(?<!\w)(?:Calle|C/|Avenida|Avda\.?|Paseo|Plaza|Via|Viale|Piazza|Corso|Rua|Praça|Largo|[Uu]l\.|ulica|aleja|calle|rua|piazza|viale) ?"
    rf"(?:{JOINING} )?{CAPITAL}[\w'’.-]{{0,30}}(?: (?:{JOINING} )?{CAPITAL}[\w'’.-]{{0,30}}){{0,3}}(?:, ?| )(?:[nN][.º°]{{0,2}} ?)?"
    rf"[0-9]{{1,4}}[A-Za-z]?(?!\w){TOWN}"
)


def english(text: str) -> Spans:
    """12 High Street; Flat 3, 12b Elm Rd; 350 5th Avenue, New York, NY 10118; 12 high street."""

    behind = 0
    for start, end in spans(ENGLISH, text, lambda match: match.end()):
        before = text[max(behind, start - 20) : start]
        flat = FLAT_BEFORE.search(before)
        behind = end
        if flat:
            yield start - len(flat[0]), end
        elif not NUMBERED_BEFORE.search(before) and not (YEAR.match(text, start) and YEAR_BEFORE.search(before)):
            yield start, end


def german(text: str) -> Spans:
    """Hauptstraße 5; Berliner Allee 12a; Kerkstraat 12."""
    return spans(GERMAN, text, lambda match: match.end())


def french(text: str) -> Spans:
    """5 rue de la Paix; 12 bis, avenue Victor Hugo."""
    return spans(FRENCH, text, lambda match: match.end())


def southern(text: str) -> Spans:
    """Calle Mayor 5; Via Roma, 12; ul. Nowa 7."""
    return spans(SOUTHERN, text, lambda match: match.end())


def boxes(text: str) -> Spans:
    """PO Box 123."""
    return spans(BOX, text, lambda match: match.end())
