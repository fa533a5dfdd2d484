"""How each kind of question can be worded; ``{name}`` is the town, beast, ship or dish asked about.

The last wording of each kind of town question is never used in tuning: it is left for the questions
of the validation, calibration and test splits.
"""

from __future__ import annotations

TOWNS = {
    "river": (
        "which river runs past {name}",
        "what is the name of the river at {name}",
        "on which river does {name} stand",
        "which water turns the mills of {name}",
        "if I follow the stream out of {name}, which river is it",
        "what river do the boats of {name} sail on",
    ),
    "house": (
        "which noble house rules {name}",
        "who holds {name}, which house",
        "to which house does {name} pay its taxes",
        "the lords of {name} belong to which house",
        "which family sits in the great hall of {name}",
        "what is the ruling house of {name}",
    ),
    "trade": (
        "what is {name} known for selling",
        "which goods come from {name}",
        "what do merchants buy in {name}",
        "what trade made {name} rich",
        "what do the carts carry out of {name}",
        "which wares is {name} famous for",
    ),
    "market": (
        "on which day is the market held in {name}",
        "when does {name} hold its market",
        "what is the market day of {name}",
        "on what day do the stalls open in {name}",
        "which day should I bring my sheep to {name} for sale",
        "what day of the week is market day at {name}",
    ),
    "banner": (
        "what colour is the banner of {name}",
        "which colour flies over {name}",
        "the flag of {name} has which colour",
        "under what colour do the men of {name} march",
        "what is the colour of the flag at {name}",
        "which colour does the banner over {name} have",
    ),
    "stone": (
        "what stone is {name} built of",
        "which stone was used for the walls of {name}",
        "the houses of {name} are made of which stone",
        "what kind of stone do they cut near {name}",
        "of which rock are the towers of {name}",
        "what are the walls of {name} made of",
    ),
    "feast": (
        "which feast do they keep in {name}",
        "what is the great feast of {name} about",
        "the yearly feast in {name} honours what",
        "what do the people of {name} celebrate",
        "for what is the festival of {name} named",
        "which festival is held in {name} every year",
    ),
    "guild": (
        "which guild is the strongest in {name}",
        "what guild runs the council of {name}",
        "who are the leading craftsmen of {name}",
        "which guild owns the hall in {name}",
        "in {name} which craft has the most masters",
        "what is the chief guild of {name}",
    ),
    "founder": (
        "who founded {name}",
        "which person laid the first stone of {name}",
        "who was the founder of {name}",
        "by whom was {name} first settled",
        "whose statue as founder stands in {name}",
        "who first built a home at {name}",
    ),
    "gates": (
        "how many gates does {name} have",
        "how many gates are in the walls of {name}",
        "the walls of {name} have how many gates",
        "through how many gates can one enter {name}",
        "what is the number of gates at {name}",
        "how many gates must the watch close in {name}",
    ),
    "crest": (
        "which animal is on the crest of {name}",
        "what animal does the seal of {name} show",
        "the coins of {name} carry which animal",
        "which beast is carved over the door of {name}",
        "what animal stands for {name}",
        "which animal do the shields of {name} bear",
    ),
    "dialect": (
        "which dialect is spoken in {name}",
        "what dialect do the people of {name} speak",
        "how do they talk in {name}, in which dialect",
        "the speech of {name} is of what dialect",
        "in which dialect do they sing in {name}",
        "what is the dialect of {name}",
    ),
}

BEASTS = {
    "habitat": (
        "where does the {name} live",
        "in what place can I find a {name}",
        "where do {name} herds roam",
    ),
    "diet": (
        "what does the {name} eat",
        "what should I feed a {name}",
        "on what food does a {name} grow fat",
    ),
    "call": (
        "what sound does the {name} make",
        "how does a {name} call",
        "by what noise is the {name} known",
    ),
    "coat": (
        "what covers the body of the {name}",
        "what is a {name} clad in",
        "what grows on the {name}'s back",
    ),
    "legs": (
        "how many legs has the {name}",
        "on how many legs does a {name} walk",
        "how many feet has a {name}",
    ),
    "sleep": ("when does the {name} sleep", "at what time does a {name} rest", "when will a {name} doze off"),
}

DISHES = {
    "base": ("what is {name} made from", "what goes into {name} first", "which food is the heart of {name}"),
    "method": (
        "how is {name} cooked",
        "by what method do we make {name}",
        "what is done to the pot of {name}",
    ),
    "spice": (
        "which spice is in {name}",
        "what spice do I add to {name}",
        "with which spice is {name} seasoned",
    ),
    "vessel": (
        "in what is {name} served",
        "what do we serve {name} in",
        "which dish ware is used for {name}",
    ),
    "taste": ("how does {name} taste", "what is the taste of {name}", "what flavour should {name} have"),
    "partner": (
        "what is eaten with {name}",
        "what goes well with {name}",
        "which side is brought with {name}",
    ),
}


def ships(kinds: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The registry's forms: one fixed sentence with the ship and the field, in four variants."""
    forms = (
        "vessel {{name}}: state the {kind} entered in the log",
        "vessel {{name}}: state the {kind} last confirmed by the port office",
        "vessel {{name}}: confirm the {kind} entered in the log",
        "vessel {{name}}: confirm the {kind} last confirmed by the port office",
    )
    return {kind: tuple(form.format(kind=kind) for form in forms) for kind in kinds}
