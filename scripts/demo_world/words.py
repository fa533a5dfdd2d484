"""The word lists of the four invented domains. Every list was written for this world.

A domain is described by data only: how its names are built, which kinds of question can be asked
about a name, and which phrases may stand before and after a question. ``world.py`` turns that into
facts and questions.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from demo_world import wordings


@dataclass(frozen=True)
class Kind:
    """One kind of question: a closed set of answers and several ways to ask, each with a ``{name}``."""

    name: str
    answers: tuple[str, ...]
    cores: tuple[str, ...]


@dataclass(frozen=True)
class Domain:
    """One domain: names are a head and a tail joined, questions an opening, a core and a closing."""

    name: str
    heads: tuple[str, ...]
    tails: tuple[str, ...]
    kinds: tuple[Kind, ...]
    openings: tuple[str, ...]
    closings: tuple[str, ...]
    near_kinds: frozenset[str] = field(default=frozenset())


TOWN_ANSWERS = {
    "river": "Lissow Carn Ebber Thole Wenna Murrin Ashe Dorle",
    "house": "Harrow Velde Corvane Tilney Ostrick Merle Brandt Quill",
    "trade": "salt wool copper cider rope glass honey parchment",
    "market": "Millday Saltday Loomday Forgeday Vineday Restday",
    "banner": "crimson ochre teal ivory black violet silver russet",
    "stone": "granite slate chalk sandstone basalt marble flint limestone",
    "feast": "lanterns ploughs bells apples torches swans ribbons snow",
    "guild": "weavers coopers tanners scribes masons fletchers chandlers potters",
    "founder": "Aldous Berrin Cathmor Delwyn Edric Fenna Gorlas Hesper",
    "gates": "two three four five six seven eight nine",
    "crest": "heron badger stag otter falcon boar owl trout",
    "dialect": "Marsh Upland Coastal Forest Border Island Court Valley",
}
BEAST_ANSWERS = {
    "habitat": "marshes caves treetops dunes reefs meadows cliffs glaciers",
    "diet": "moss beetles nectar fish roots berries snails bark",
    "call": "whistle growl hum click bellow chirp hiss purr",
    "coat": "scales fur feathers spines shell bristles wool slime",
    "legs": "two four six eight ten twelve",
    "sleep": "noon dusk dawn midnight winter summer",
}
SHIP_ANSWERS = {
    "hull class": "corvette frigate tender hauler cutter cruiser",
    "drive type": "fusion photon plasma sail torsion pulse",
    "home port": "Ceres Juno Vesta Pallas Hygiea Eunomia",
    "cargo code": "ore ice grain mail fuel seed",
    "crew rating": "alpha beta gamma delta epsilon zeta",
    "signal flag": "anchor comet lantern arrow crown wheel",
}
DISH_ANSWERS = {
    "base": "barley lentils eggplant trout chestnuts turnips rabbit mushrooms",
    "method": "baking smoking frying pickling steaming braising roasting boiling",
    "spice": "saffron cumin mace sumac fennel clove ginger anise",
    "vessel": "bowl skillet leaf gourd plate jar",
    "taste": "sour sweet bitter salty smoky sharp",
    "partner": "flatbread cheese plums yoghurt beer rice",
}

ASKERS = tuple(
    "miller ferryman clerk pedlar abbess smith shepherd steward tinker juggler baker herald "
    "captain orphan painter carter".split()
)
TOWN_OPENINGS = (
    "",
    "",
    "please tell me, ",
    "one more thing: ",
    "before I travel on, ",
    *(f"my friend the {asker} asks: " for asker in ASKERS),
    *(f"for the {asker}'s ledger, " for asker in ASKERS),
    *(f"the {asker} bets you know: " for asker in ASKERS),
)
TOWN_CLOSINGS = (
    "?",
    "?",
    " these days?",
    ", do you know?",
    ", by the old maps?",
    ", if the songs are right?",
    ", as far as anyone recalls?",
    " in this part of Ardelane?",
)


def _kinds(answers: dict[str, str], cores: dict[str, tuple[str, ...]]) -> tuple[Kind, ...]:
    return tuple(Kind(name, tuple(words.split()), cores[name]) for name, words in answers.items())


TOWNS = Domain(
    name="towns",
    heads=tuple(
        "Brack Cald Dun Elm Farn Gris Hol Ives Jor Kel Lan Mar Nor Oak Pen Quar Rook Sten Thorn Ul "
        "Vel Whit Yar Zan".split()
    ),
    tails=tuple(
        "moor fell bury wick ford haven mere combe stead gate thorpe ridge holm march well brook "
        "hurst minster".split()
    ),
    kinds=_kinds(TOWN_ANSWERS, wordings.TOWNS),
    openings=TOWN_OPENINGS,
    closings=TOWN_CLOSINGS,
    near_kinds=frozenset({"founder", "gates", "crest", "dialect"}),
)
BEASTS = Domain(
    name="beasts",
    heads=tuple("snor blim grav tup wex dro floo hask".split()),
    tails=tuple("vel dle mox gat rish ploo bern zick".split()),
    kinds=_kinds(BEAST_ANSWERS, wordings.BEASTS),
    openings=(
        "",
        "for the notes of our expedition, ",
        "our guide has always wondered: ",
        "the young keeper asks again: ",
        "out here in the field, ",
        "from what the trackers say, ",
    ),
    closings=("?", " in the wild?", ", would you say?", " when nobody is watching?", " far from any town?"),
)
SHIPS = Domain(
    name="ships",
    heads=tuple("Astra Boreal Cinder Drift Ember Falx Helio Iron".split()),
    tails=tuple("lux nova ton ward phor".split()),
    kinds=_kinds(SHIP_ANSWERS, wordings.ships(tuple(SHIP_ANSWERS))),
    openings=("Ninth Fleet registry, ",),
    closings=(".",),
)
DISHES = Domain(
    name="dishes",
    heads=tuple("tam koru bel ash pim sov luv oren".split()),
    tails=tuple("rel bita kash uto niel mep dosh arra".split()),
    kinds=_kinds(DISH_ANSWERS, wordings.DISHES),
    # The same people who ask about towns also ask about food.
    openings=TOWN_OPENINGS,
    closings=(
        ", do you know?",
        " at its very best?",
        ", by the rules of the kitchen?",
        " when guests come?",
        "?",
    ),
)

ID_DOMAIN = TOWNS
FAR_DOMAINS = (BEASTS, SHIPS, DISHES)
DOMAINS = (TOWNS, *FAR_DOMAINS)
