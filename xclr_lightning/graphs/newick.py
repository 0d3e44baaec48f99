"""Newick, the usual format of phylogenetic trees: ``((dog,wolf)Canis,cat)Carnivora;``."""

import re

_TOKEN = re.compile(r"(?P<space>\s+|\[[^\]]*\])|(?P<sign>[(),:;])|(?P<name>'(?:[^']|'')*'|[^\s()\[\]':;,]+)")


def parse_newick(text: str) -> tuple[list[str], list[list[int]]]:
    """Read a tree. Lengths of branches and comments in square brackets are left out.

    Args:
        text: One tree, ended by a semicolon.

    Returns:
        Name of every node, empty where it has none; parents of every node by number, none for the root.

    Raises:
        ValueError: The text is no tree; the message says where.

    Reference:
        Olsen 1990, "Interpretation of the Newick's 8:45 tree format standard". Underscores stay as they are, though.

    Example:
        >>> parse_newick("((dog:1,'grey wolf':1)Canis,cat);")
        (['', 'Canis', 'dog', 'grey wolf', 'cat'], [[], [0], [1], [1], [0]])
    """
    names, parents = [""], [list[int]()]
    current, place, before = 0, 0, "("
    while place < len(text) and before != ";":
        token = _TOKEN.match(text, place)
        if token is None:
            raise ValueError(f"{text[place]!r} at character {place + 1} is left open")
        word, place = token.group(), token.end()
        if token["space"]:
            continue
        kind = "name" if token["name"] else word
        if kind not in _NEXT[before] or (kind in ",)" and not parents[current]) or (kind == ";" and parents[current]):
            raise ValueError(f"{word!r} at character {place - len(word) + 1} is out of place")
        if kind == "name" and before != ":":
            names[current] = word[1:-1].replace("''", "'") if word.startswith("'") else word
        elif kind in "(,":
            parents.append([current] if kind == "(" else parents[current])
            names.append("")
            current = len(names) - 1
        elif kind == ")":
            (current,) = parents[current]
        before = "length" if kind == "name" and before == ":" else kind
    if before != ";":
        raise ValueError("no semicolon at the end")
    if text[place:].strip():
        raise ValueError(f"a second tree begins after character {place}")
    return names, parents


# What may follow what. A node may have no name, so that "(,)" is a tree.
_AFTER_NODE = {",", ")", ";"}
_NEXT = {
    "(": {"(", "name", ":"} | _AFTER_NODE,
    ",": {"(", "name", ":"} | _AFTER_NODE,
    ")": {"name", ":"} | _AFTER_NODE,
    "name": {":"} | _AFTER_NODE,
    ":": {"name"},
    "length": _AFTER_NODE,
}
