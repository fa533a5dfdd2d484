"""Reading YAML safely, and putting `--set` on top of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from llmood.errors import ConfigError

MAX_YAML_BYTES = 4_000_000
MAX_NODES = 100_000  # keys and values, every alias written out: a few lines of aliases can stand for billions
MAX_BITS = 1024  # of a whole number: no float holds more, and Python refuses to print much larger ones
MERGE_TAG = "tag:yaml.org,2002:merge"


class _Loader(yaml.SafeLoader):
    """SafeLoader that refuses a key written twice and reads 1e-3 as the number it looks like."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError):
            # The 13th month, `0b_`, `!!bool maybe`: PyYAML lets Python's own errors through.
            raise _problem(f"this is no {node.tag.rpartition(':')[2]}", node) from None
        if isinstance(value, int) and value.bit_length() > MAX_BITS:
            raise _problem("the number is too large", node)
        return value

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if key_node.tag == MERGE_TAG:  # `<<: *defaults` brings keys, and is none
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, str | int) and key in seen:
                raise _problem(f"the key '{key}' is written twice", key_node)
            seen.add(key if isinstance(key, str | int) else id(key))
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


def _load(text: str, tags: Mapping[str, Callable[[str], Any]] | None = None) -> Any:
    loader = (_with_tags(tags) if tags else _Loader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            return None
        _written_out(node, {})
        return loader.construct_document(node)
    finally:
        loader.dispose()


def _with_tags(tags: Mapping[str, Callable[[str], Any]]) -> type[_Loader]:
    class Tagged(_Loader):
        """The loader that also knows these tags."""

    def constructor(make: Callable[[str], Any]) -> Callable[[_Loader, yaml.Node], Any]:
        def construct(_loader: _Loader, node: yaml.Node) -> Any:
            if not isinstance(node, yaml.ScalarNode):
                raise _problem(f"the tag {node.tag} needs a text", node)
            return make(node.value)

        return construct

    for tag, make in tags.items():
        Tagged.add_constructor(tag, constructor(make))
    return Tagged


def _written_out(node: yaml.Node, sizes: dict[yaml.Node, int | None]) -> int:
    """How many nodes this one is when every alias in it is written out; a node in `sizes` without one is above it."""
    if node not in sizes:
        sizes[node] = None
        children = node.value if isinstance(node, yaml.CollectionNode) else []
        if isinstance(node, yaml.MappingNode):
            children = [child for pair in node.value for child in pair]
        sizes[node] = 1 + sum(_written_out(child, sizes) for child in children)
    size = sizes[node]
    if size is None:
        raise _problem("an alias stands inside what it names", node)
    if size > MAX_NODES:
        raise _problem(f"there are over {MAX_NODES} keys and values here, aliases written out", node)
    return size


def _problem(said: str, node: yaml.Node) -> yaml.constructor.ConstructorError:
    return yaml.constructor.ConstructorError(None, None, said, node.start_mark)


def read_yaml(path: Path, *, tags: Mapping[str, Callable[[str], Any]] | None = None) -> Any:
    """Parse a YAML file safely.

    Args:
        tags: what becomes of the text behind a tag of that name; any other tag is refused.

    Raises:
        ConfigError: it is missing, too large, not UTF-8, or not YAML; with the line where YAML stops making sense.
    """
    try:
        size = path.stat().st_size
        if size > MAX_YAML_BYTES:
            raise ConfigError(
                f"{path}: {size} bytes is too large for a YAML file here (limit {MAX_YAML_BYTES})"
            )
        return _load(path.read_text(encoding="utf-8"), tags)
    except OSError as error:
        raise ConfigError(f"{path}: {(error.strerror or str(error)).lower()}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 (byte {error.start})") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise ConfigError(f"{path}{line}: is not YAML: {problem}") from None
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None


def apply_overrides(data: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`--set a.b=c` on top of a configuration; values are YAML (`null`, `[a, b]`, `0.1`). `a.b+=[c]` adds to a list.

    Raises:
        ConfigError: an override without `=`, with an empty path, through something that is no mapping, or one that adds
            to what is no list.
    """
    result: dict[str, Any] = _copy(data)
    for override in overrides:
        path, equals, text = override.partition("=")
        adds = path.endswith("+")
        keys = [key.strip() for key in path.removesuffix("+").split(".")]
        if not equals or not all(keys):
            raise ConfigError(f"--set {override}: write it as key.path=value")
        try:
            value = _load(text)
        except (yaml.YAMLError, RecursionError):
            raise ConfigError(f"--set {override}: the value is not YAML", hint="quote it") from None
        _assign(result, keys, value, override, adds=adds)
    return result


def _assign(target: dict[str, Any], keys: list[str], value: Any, override: str, *, adds: bool) -> None:
    for depth, key in enumerate(keys[:-1]):
        inner = target.get(key)
        if inner is None or isinstance(inner, str):
            # A short form (`base: folder`) gives way to the long one that the override spells out.
            inner = target[key] = {"model": inner} if inner and keys[:depth] == ["models"] else {}
        if not isinstance(inner, dict):
            raise ConfigError(f"--set {override}: {'.'.join(keys[: depth + 1])} is not a mapping")
        target = inner
    sibling = {"adapter": "model", "model": "adapter"}.get(keys[-1])
    if sibling and keys[:-1] == ["models", "tuned"]:
        target.pop(sibling, None)
    if adds:
        there = target.get(keys[-1])
        if not isinstance(there, list) or not isinstance(value, list):
            raise ConfigError(f"--set {override}: += adds a list to a list", hint="set the whole: key=[a, b]")
        value = [*there, *value]
    target[keys[-1]] = value


def _copy(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy(inner) for key, inner in value.items()}
    return [_copy(inner) for inner in value] if isinstance(value, list) else value
