"""Captions and classes as they are shown: on one line, cut where long, without what all of them begin with."""


def short(text: str, longest: int = 70) -> str:
    """A text on one line, its end cut where it is long.

    Example:
        >>> short("a photo\\nof a dog", 12)
        'a photo of …'
    """
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def distinctive(names: list[str], longest: int = 28) -> list[str]:
    """Drop the words that all names begin with, and the end of long names.

    Example:
        >>> distinctive(["a photo of a dog", "a photo of a red cat"])
        ['dog', 'red cat']
    """
    words = [name.split() for name in names]
    shared = 0
    while all(len(name) > shared + 1 for name in words) and len({name[shared] for name in words}) == 1:
        shared += 1
    return [short(" ".join(name[shared:]), longest) for name in words]
