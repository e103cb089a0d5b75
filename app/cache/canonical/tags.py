"""Tags that speak of the whole picture, as every guide to prompts lists them: their order says nothing."""

from typing import Final

from app.cache.canonical.lexicon import phrases
from app.cache.canonical.tokens import Kind, Token, Tokens, joined, segments
from app.cache.canonical.wording import in_one_spelling

# How the picture is made: a prompt with two of these weighs the first more, so they never change places.
_MEDIA: Final = phrases(
    """
    photograph, photography, photorealistic, photorealism, realistic, realism, hyperrealistic, hyperrealism, oil
    painting, oil on canvas, acrylic painting, watercolor, watercolor painting, gouache, ink drawing, ink wash, pen
    and ink, charcoal drawing, charcoal sketch, pencil sketch, pencil drawing, sketch, line art, lineart, woodcut,
    linocut, etching, engraving, lithograph, screen print, pastel drawing, chalk drawing, fresco, mosaic, stained
    glass, digital art, digital painting, concept art, matte painting, illustration, vector art, vector
    illustration, flat design, pixel art, voxel art, low poly, isometric, 3d, 3d render, cgi, octane render, unreal
    engine, unreal engine 5, blender, blender render, anime, anime style, manga style, cartoon, cartoon style, cel
    shading, comic book style, claymation, papercraft, origami, collage style, graffiti, pop art, art deco, art
    nouveau, impressionism, impressionist, expressionism, expressionist, cubism, cubist, surrealism, surrealist,
    surreal, baroque, renaissance, romanticism, ukiyo-e, minimalism, minimalist, abstract, abstract art, fantasy
    art, vaporwave, synthwave, cyberpunk, steampunk, polaroid, lomography, analog photograph, film photography, film
    still, cinematic still, studio photograph
    """
)
# How it looks, whatever it shows.
_LOOKS: Final = phrases(
    """
    masterpiece, best quality, high quality, highest quality, top quality, ultra quality, award winning,
    award-winning, professional, detailed, highly detailed, high detail, very detailed, ultra detailed,
    ultra-detailed, hyperdetailed, extremely detailed, insanely detailed, intricate, intricate details, intricate
    detail, fine details, sharp, sharp focus, crisp, in focus, soft focus, high resolution, high-resolution, hi-res,
    highres, absurdres, hd, full hd, uhd, ultra hd, hdr, 2k, 4k, 8k, 16k, raw photograph, trending on artstation,
    artstation, deviantart, featured on pixiv, soft light, soft lighting, hard light, hard lighting, natural light,
    natural lighting, ambient light, ambient lighting, studio light, studio lighting, dramatic light, dramatic
    lighting, cinematic light, cinematic lighting, volumetric light, volumetric lighting, rim light, rim lighting,
    backlight, backlit, backlighting, side lighting, warm light, warm lighting, cold light, cool lighting, neon
    lighting, moody lighting, low key, low-key lighting, high key, high-key lighting, chiaroscuro, global
    illumination, ray tracing, ray traced, subsurface scattering, ambient occlusion, god rays, lens flare, bloom,
    golden hour, blue hour, magic hour, bokeh, depth of field, shallow depth of field, deep focus, wide angle,
    wide-angle, wide angle lens, wide-angle lens, ultra wide angle, telephoto, telephoto lens, fisheye, fisheye
    lens, macro, macro lens, macro photography, tilt-shift, tilt shift, long exposure, double exposure, motion blur,
    24mm, 24mm lens, 35mm, 35mm lens, 35mm film, 50mm, 50mm lens, 85mm, 85mm lens, 100mm lens, anamorphic, film
    grain, grain, grainy, vignette, chromatic aberration, dslr, kodak portra, close-up, close up, closeup, extreme
    close-up, medium shot, wide shot, long shot, full shot, full body, full body shot, aerial view, bird's-eye view,
    bird's eye view, worm's-eye view, low angle, low angle shot, high angle, high angle shot, dutch angle, eye
    level, overhead shot, top-down view, panorama, panoramic, symmetrical, symmetry, symmetric, asymmetrical,
    centered, centered composition, rule of thirds, golden ratio, dynamic composition, negative space, high
    contrast, low contrast, high saturation, low saturation, saturated, desaturated, muted colors, muted tones,
    vibrant, vibrant colors, vivid, vivid colors, bright colors, dark colors, pastel colors, neutral colors, earth
    tones, warm colors, warm tones, cool colors, cool tones, color graded, color grading, monochrome, monochromatic,
    black and white, grayscale, sepia, sepia tone, teal and orange, cinematic, dramatic, epic, moody, atmospheric,
    ethereal, dreamy, dreamlike, serene, mysterious, whimsical, nostalgic, melancholic, eerie, ominous, vintage,
    retro, futuristic, elegant, gritty, cozy, misty, foggy, hazy, fog, mist, haze
    """
)
_TAGS: Final = _MEDIA | _LOOKS


def tag_places(tokens: Tokens) -> frozenset[int]:
    """Where the words stand that belong to tags, each of them a part of its own between commas."""
    places: set[int] = set()
    start = 0
    for segment in segments(tokens):
        if _name(segment) in _TAGS:
            places.update(range(start, start + len(segment)))
        start += len(segment) + 1
    return frozenset(places)


def in_tag_order(tokens: Tokens) -> Tokens:
    """The tokens with the tags before and after all other parts in alphabetical order.

    Nothing moves in a prompt with sentences or dashes, with a tag between other parts, which it may belong to, or
    where two media are named.
    """
    parts = segments(tokens)
    tagged = [_name(part) in _TAGS for part in parts]
    if (
        any(token.kind in (Kind.STOP, Kind.DASH) for token in tokens)
        or sum(_name(part) in _MEDIA for part in parts) > 1
    ):
        return tokens
    first = tagged.index(False) if False in tagged else len(parts)
    last = len(parts) - tagged[::-1].index(False) if False in tagged else len(parts)
    if any(tagged[first:last]):
        return tokens
    return joined([*sorted(parts[:first], key=_name), *parts[first:last], *sorted(parts[last:], key=_name)])


def _name(segment: Tokens) -> str:
    """The words of a part in small letters and one spelling; empty when it is not made of words."""
    if not all(token.kind is Kind.WORD for token in segment):
        return ""
    lowered = tuple(Token(token.kind, token.lowered) for token in segment)
    return " ".join(token.text for token in in_one_spelling(lowered))
