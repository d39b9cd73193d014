"""From the text of a ``.cu`` file to a translation unit for the host compiler.

Nothing is changed but the declarations of shared memory, and no line moves.
"""

from __future__ import annotations

import re

from .errors import BuildError

_ALIGN = r"(?:(?:__align__|alignas)\s*\([^()]*\)\s*)?"
_SHARED = re.compile(
    rf"(?P<extern>\bextern\s+)?(?:\bstatic\s+)?\b__shared__\s+(?P<align>{_ALIGN})"
    r"(?P<type>[^;=\[\]{}]*?[\s>*])(?P<name>[A-Za-z_]\w*)\s*(?P<dims>(?:\[[^\[\]]*\]\s*)*);"
)
_WORD = re.compile(r"\b__shared__\b")
_BARE = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"", re.DOTALL)
_ARGUMENTS = re.compile(r"<.*>|\(.*\)")
_BOUNDS = re.compile(
    r"(?P<template>template\s*<[^;{}()]*>\s*)?__global__\s+(?:void\s+)?__launch_bounds__\s*"
    r"\((?P<bounds>(?:[^()]|\([^()]*\))*)\)\s*(?:void\s+)?(?P<name>\w+)\s*\("
)


def _bare(text: str) -> str:
    """Return the text with blanks for comments and strings, every word at its place."""
    return _BARE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def _place(text: str, offset: int, file: str) -> str:
    """Return file and line of a place, as the compiler would say them."""
    line = 1
    for row in text[:offset].split("\n")[:-1]:
        line += 1
        if found := re.match(r'\s*#\s*line\s+(\d+)\s+"([^"]*)"', row):
            line, file = int(found[1]), found[2]
    return f"{file}:{line}"


def _declaration(match: re.Match[str]) -> str:
    align, kind, name, dims = (
        " ".join(match[part].split()) for part in ("align", "type", "name", "dims")
    )
    if match["extern"]:
        text = f"{kind} *const {name} = static_cast<{kind} *>(hostcuda_dynamic_shared());"
    else:
        # A type for the array, and a slot that the runtime gives memory to in every block.
        array, slot = f"hostcuda_type_{name}", f"hostcuda_slot_{name}"
        alignment = re.sub(r"^(?:__align__|alignas)", "", align) or f"(alignof({array}))"
        text = (
            f"typedef {kind} {array} {dims}; static hostcuda::Slot {slot} = "
            f'{{"{name}", sizeof({array}), {alignment}}}; '
            f"{array} &{name} = *static_cast<{array} *>(hostcuda_shared(&{slot}));"
        )
    return text + "\n" * match.group().count("\n")


def rewrite(text: str, file: str) -> str:
    """Return the text with its ``__shared__`` declarations made into memory of the runtime's."""
    bare = _bare(text)
    pieces, end = [], 0
    for match in _SHARED.finditer(bare):
        before = bare[: match.start()]
        if before.count("{") == before.count("}"):
            place = _place(text, match.start(), file)
            raise BuildError(f"{place}: declare shared memory inside of a function")
        if "," in _ARGUMENTS.sub("", match["type"]):
            continue  # several in one declaration
        pieces += [text[end : match.start()], _declaration(match)]
        end = match.end()
    result = "".join([*pieces, text[end:]])
    if stray := _WORD.search(_bare(result)):
        raise BuildError(
            f"{_place(result, stray.start(), file)}: a __shared__ declaration that is not "
            "understood: write each array as `__shared__ T name[n][m];`, one to a declaration, "
            "with no initial value"
        )
    return result


def _most_threads(text: str, instance: str) -> tuple[str, str]:
    """Return a declaration, and an expression for the first launch bound of an instance."""
    name, _, rest = instance.partition("<")
    for match in _BOUNDS.finditer(_bare(text)):
        if match["name"] == name.strip().rpartition("::")[2]:
            template = " ".join((match["template"] or "").split())
            bounds = " ".join(match["bounds"].split())
            struct = (
                f"{template} struct hostcuda_bounds {{ static constexpr int n[] = {{{bounds}}}; }};"
            )
            return struct, f"hostcuda_bounds{'<' + rest if rest else ''}::n[0]"
    return "", "1024"


def translation_unit(text: str, file: str, instance: str) -> str:
    """Return the C++ text of one instance of a kernel."""
    struct, most_threads = _most_threads(text, instance)
    return (
        '#include "hostcuda.h"\n'
        f'#line 1 "{file}"\n{rewrite(text, file)}\n'
        f'#line 1 "instance"\n{struct}\n'
        "extern const hostcuda::Entry hostcuda_entry;\n"
        "const hostcuda::Entry hostcuda_entry = "
        f"hostcuda::Kernel<&{instance}>::entry({most_threads});\n"
    )
