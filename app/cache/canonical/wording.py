"""One spelling for words that are written in two ways and mean the same in both."""

import re
from dataclasses import replace
from typing import Final

from app.cache.canonical.lexicon import pairs, words
from app.cache.canonical.tokens import Kind, Token, Tokens

# British spellings whose American form is the same word in every sense; "storey" or "tyre" are not, and stay.
_BRITISH: Final = pairs(
    """
    colour/color colours/colors coloured/colored colouring/coloring colourful/colorful colourless/colorless
    multicolour/multicolor multicoloured/multicolored watercolour/watercolor watercolours/watercolors
    discoloured/discolored tricolour/tricolor grey/gray greys/grays greyish/grayish greyscale/grayscale
    centre/center centres/centers centred/centered theatre/theater theatres/theaters fibre/fiber fibres/fibers
    sombre/somber spectre/specter spectres/specters sceptre/scepter lustre/luster calibre/caliber meagre/meager
    ochre/ocher armour/armor armours/armors armoured/armored harbour/harbor harbours/harbors favourite/favorite
    flavour/flavor flavours/flavors honour/honor humour/humor neighbour/neighbor
    neighbours/neighbors neighbourhood/neighborhood odour/odor parlour/parlor rumour/rumor saviour/savior
    savoury/savory vapour/vapor vapours/vapors splendour/splendor behaviour/behavior labour/labor
    jewellery/jewelry jewelled/jeweled enamelled/enameled panelled/paneled marvellous/marvelous woollen/woolen
    travelling/traveling traveller/traveler travellers/travelers modelled/modeled
    moustache/mustache moustaches/mustaches pyjamas/pajamas cosy/cozy aluminium/aluminum aeroplane/airplane
    aeroplanes/airplanes plough/plow ploughed/plowed mould/mold mouldy/moldy doughnut/donut doughnuts/donuts
    yoghurt/yogurt catalogue/catalog axe/ax sulphur/sulfur sceptical/skeptical
    stylised/stylized stylise/stylize minimised/minimized organised/organized symmetrised/symmetrized
    pixelised/pixelized colourised/colorized colorised/colorized crystallised/crystallized polarised/polarized
    metallised/metallized vaporised/vaporized oxidised/oxidized fossilised/fossilized
    """
)
_CLIPPED: Final = {"photo": "photograph", "photos": "photographs"}
_ONE_SPELLING: Final = _BRITISH | _CLIPPED | {"an": "a"}

_NUMBERS: Final = pairs("two/2 three/3 four/4 five/5 six/6 seven/7 eight/8 nine/9 ten/10 eleven/11 twelve/12")
# Words after which a number counts what follows it, as it does at the beginning of a part.
_BEFORE_A_COUNT: Final = words("of with and or the these those")
_NOT_COUNTED: Final = words("a and or of in on at by to for from with as is are was am pm")
_PLURAL: Final = re.compile(r"[^\W\d_]{2,}s")
_SEARCHED: Final = 3


def in_one_spelling(tokens: Tokens) -> Tokens:
    """The tokens with one spelling for each word and numerals for counts; what has capitals may be a name."""
    spelled = tuple(
        replace(token, text=_ONE_SPELLING.get(token.text, token.text)) if token.kind is Kind.WORD else token
        for token in tokens
    )
    return tuple(
        replace(token, text=_NUMBERS[token.text]) if token.text in _NUMBERS and _counts(spelled, place) else token
        for place, token in enumerate(spelled)
    )


def _counts(tokens: Tokens, place: int) -> bool:
    """Whether a number word says how many there are of a plural that follows it."""
    if tokens[place].kind is not Kind.WORD:
        return False
    before = tokens[place - 1] if place > 0 else None
    opens = before is None or not before.is_content or before.lowered in _BEFORE_A_COUNT
    return opens and _is_plural(tokens[place + 1 : place + 1 + _SEARCHED])


def _is_plural(following: tuple[Token, ...]) -> bool:
    """Whether a plural comes before anything that ends the phrase."""
    for token in following:
        if token.kind is not Kind.WORD or token.text in _NOT_COUNTED:
            return False
        if _PLURAL.fullmatch(token.text) and not token.text.endswith("ss"):
            return True
    return False
